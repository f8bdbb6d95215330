//! Structured pruning: a subnetwork as a smaller model, without the pruned parts.

use std::path::Path;

use isogloss_kernels::split_seed;
use isogloss_methods::Subnetwork;
use isogloss_model::{
    EncoderConfig, ForwardOptions, LoadError, Storage, StoredModel, read_config, tokenizer_folder,
};
use isogloss_text::{Texts, Tokenizer};
use serde::Serialize;

use super::read_subnetwork_for;
use crate::Error;
use crate::error::ToolError;
use crate::ground::files::replace_folder;
use crate::ground::tokenizer_files::copy_tokenizer;
use crate::tools::model_folder::{check_whole, copy_unchanged, weight_bytes};
use crate::tools::state_check::{StateCheck, cpu, encode, hidden_states, load_encoder, spaced};

/// Number of tokens of a random row, for the check without texts.
const N_DRAWN_TOKENS: usize = 32;

/// Tolerance for hidden states, relative to the largest one. Fewer heads are summed in another
/// order, which changes the last bits; a wrong row changes everything.
const TOLERANCE: f32 = 1e-4;

/// Options of structured pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneOptions {
    /// The number of texts whose hidden states are compared with those of the masked model.
    pub n_checked: usize,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self { n_checked: 64 }
    }
}

/// The report of structured pruning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PruneReport {
    /// Heads before and after.
    pub n_heads: [usize; 2],
    /// Feed-forward blocks before and after.
    pub n_feed_forward: [usize; 2],
    /// Parameters before and after, those of unused heads included.
    pub n_parameters: [usize; 2],
    /// Bytes of the weights before and after.
    pub n_bytes: [u64; 2],
    /// Check of the hidden states of all layers against those of the masked model.
    pub states: StateCheck,
}

/// Structured pruning: writes the model of `folder` to `out` without the heads and feed-forward
/// blocks that the subnetwork in `file` does not keep.
///
/// Weights are stored in 32 bits. Hidden states of the pruned model are those of the masked model
/// but for rounding. This is checked before the folder is moved to its path: on `texts`, or on
/// random tokens.
///
/// # Errors
/// If a file cannot be read or written, `folder` holds an adapter-only checkpoint or a model that
/// is already pruned, the subnetwork is of another architecture, or the check fails.
pub fn prune(
    folder: &Path,
    file: &Path,
    texts: Option<&Texts>,
    options: PruneOptions,
    out: &Path,
) -> Result<PruneReport, Error> {
    check_whole(folder)?;
    let (config, _) = read_config(folder)?;
    if !config.pruned.is_empty() {
        return Err(LoadError::AlreadyPruned { path: folder.join("config.json") }.into());
    }
    let subnetwork = read_subnetwork_for(&config, file)?;
    let rows = match texts {
        Some(texts) => tokens_of(
            &tokenizer_folder(folder)?.join("tokenizer.json"),
            texts,
            &config,
            options.n_checked,
        )?,
        None => random_rows(&config, options.n_checked),
    };
    let whole = StoredModel::read(folder, None)?;
    let [n_layers, n_heads] = subnetwork.sizes();
    let mut report = PruneReport {
        n_heads: [n_layers * n_heads, subnetwork.n_heads()],
        n_feed_forward: [n_layers, subnetwork.n_feed_forward()],
        n_parameters: [whole.n_parameters(), 0],
        n_bytes: [weight_bytes(folder)?, 0],
        states: StateCheck::default(),
    };
    let part = whole.without(&subnetwork.pruning())?;
    report.n_parameters[1] = part.n_parameters();
    replace_folder(out, |out| {
        part.write(out, Storage::F32)?;
        report.n_bytes[1] = weight_bytes(out)?;
        copy_tokenizer(&tokenizer_folder(folder)?, out)?;
        copy_unchanged(folder, out)?;
        report.states = compare([folder, out], &subnetwork, &rows)?;
        Ok(())
    })?;
    Ok(report)
}

/// Compares all hidden states of a masked model with those of the pruned one.
fn compare(
    [whole, part]: [&Path; 2],
    subnetwork: &Subnetwork,
    rows: &[Vec<i32>],
) -> Result<StateCheck, Error> {
    let Some(device) = cpu() else { return Ok(StateCheck::default()) };
    let (masked, pruned) = (load_encoder(whole, &device)?, load_encoder(part, &device)?);
    let mask = ForwardOptions {
        subnetwork: Some(subnetwork.mask(&device)),
        ..ForwardOptions::evaluation()
    };
    let (mut largest_difference, mut largest) = (0f32, 0f32);
    for row in rows {
        let (types, whole) = (vec![0; row.len()], ForwardOptions::evaluation());
        let expected = hidden_states(&masked, row, &types, &mask, &device)?.concat();
        let found = hidden_states(&pruned, row, &types, &whole, &device)?.concat();
        for (found, expected) in found.iter().zip(&expected) {
            largest = largest.max(expected.abs());
            largest_difference = largest_difference.max((found - expected).abs());
        }
    }
    if largest_difference > TOLERANCE * largest {
        let (folder, difference) = (whole.to_owned(), largest_difference);
        return Err(
            ToolError::HiddenStateMismatch { folder, difference, largest: Some(largest) }.into()
        );
    }
    Ok(StateCheck { n_texts: rows.len(), largest_difference })
}

/// Tokenizes at most `n` texts, evenly spaced.
fn tokens_of(
    tokenizer: &Path,
    texts: &Texts,
    config: &EncoderConfig,
    n: usize,
) -> Result<Vec<Vec<i32>>, Error> {
    let tokenizer = Tokenizer::from_file(tokenizer)?;
    let texts = texts.inputs();
    let rows = spaced(&texts, n).map(|text| {
        let encoded = encode(&tokenizer, text, config.max_tokens())?;
        Ok::<_, Error>(encoded.ids.iter().map(|id| id.cast_signed()).collect())
    });
    rows.collect()
}

/// `n` rows of random tokens, without padding.
fn random_rows(config: &EncoderConfig, n: usize) -> Vec<Vec<i32>> {
    let n_tokens = N_DRAWN_TOKENS.min(config.max_tokens());
    let n_others = (config.vocab_size as u64).saturating_sub(1).max(1);
    let token = |row: usize, at: usize| {
        let token = (split_seed(row as u64, at as u64) % n_others) as u32;
        let token = if token >= config.pad_token_id { token + 1 } else { token };
        token.min(config.vocab_size as u32 - 1).cast_signed()
    };
    (0..n).map(|row| (0..n_tokens).map(|at| token(row, at)).collect()).collect()
}
