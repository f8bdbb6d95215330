//! Vocabulary trimming: a model whose embedding matrix has rows for the pieces of some texts alone.

mod states;
mod texts;

use std::fs;
use std::path::Path;

use isogloss_model::{Storage, StoredModel, read_config};
use isogloss_text::{
    PieceCounts, SegmentationComparison, Texts, Tokenizer, TokenizerInput, trim_tokenizer,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model_folder::{check_whole, copy_unchanged, weight_bytes};
use super::state_check::StateCheck;
use crate::error::{ToolError, io, json};
use crate::ground::files::{replace_folder, write_atomically};
use crate::ground::tokenizer_files::TRIM_NOTE;
use crate::ground::vocabulary::check_vocabulary;
use crate::{Error, Plan};
use states::compare_states;

/// One text in so many is set aside to tell how texts fare that were not known.
const UNSEEN_SHARE: usize = 10;

/// One text in [`UNSEEN_SHARE`], or the others.
fn share<'t>(inputs: &[TokenizerInput<'t>], unseen: bool) -> Vec<TokenizerInput<'t>> {
    let inputs = inputs.iter().enumerate();
    let share = inputs.filter(|(at, _)| at.is_multiple_of(UNSEEN_SHARE) == unseen);
    share.map(|(_, input)| *input).collect()
}

/// What `trimmed.json` says of a folder whose vocabulary was trimmed.
#[derive(Serialize, Deserialize)]
struct Note {
    /// Pieces before and after.
    n_pieces: [usize; 2],
    /// Pieces of the texts that were not kept.
    n_lost_pieces: usize,
}

/// Options of vocabulary trimming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimOptions {
    /// The most pieces to keep; all that the texts need if absent.
    pub keep: Option<usize>,
    /// What the numbers are stored as.
    pub storage: Storage,
    /// The number of texts whose hidden states are compared with those of the whole model.
    pub n_checked: usize,
}

impl Default for TrimOptions {
    fn default() -> Self {
        Self { keep: None, storage: Storage::F32, n_checked: 64 }
    }
}

/// The report of vocabulary trimming.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrimReport {
    /// Pieces before and after.
    pub n_pieces: [usize; 2],
    /// How many of those after stand in no text.
    pub n_unseen_pieces: usize,
    /// Pieces of the texts that were not kept.
    pub n_lost_pieces: usize,
    /// Parameters before and after, those of unused heads included.
    pub n_parameters: [usize; 2],
    /// Bytes of the weights before and after.
    pub n_bytes: [u64; 2],
    /// How the texts are cut.
    pub texts: SegmentationComparison,
    /// How a tenth of the texts would be cut with a vocabulary of the others; none if they are few.
    pub unseen: Option<SegmentationComparison>,
    /// How other texts are cut, if there are any.
    pub others: Option<SegmentationComparison>,
    /// The hidden states of some texts.
    pub states: StateCheck,
}

/// Writes the model of `folder` to `out`, with a vocabulary of the pieces that the texts of these
/// `corpora` need.
///
/// The pieces of the texts are kept, and special tokens, single characters, and what unknown text
/// falls back on; see [`PieceCounts::select`]. Unless a number of pieces is given, every text is cut as
/// before, and, unless numbers are stored in fewer bits, its hidden states have the same bits: both are
/// checked before the folder is put at its path. `others` are texts to be told about, and not to be kept.
///
/// # Errors
/// If a file cannot be read or written, `folder` holds adapters on a base, there is no room for the
/// special tokens, or a check fails.
pub fn trim(
    folder: &Path,
    corpora: &[Texts],
    others: Option<&Texts>,
    options: TrimOptions,
    out: &Path,
) -> Result<TrimReport, Error> {
    let vocabulary = Vocabulary::read(folder)?;
    let inputs: Vec<_> = corpora.iter().map(Texts::inputs).collect();
    let counts = vocabulary.count(inputs.iter().map(Vec::as_slice))?;
    vocabulary.trim(&counts, &inputs, &others.map(Texts::inputs).unwrap_or_default(), options, out)
}

/// Trims a model to the texts of a plan, all ways to cut them included where subwords are sampled.
pub(crate) fn trim_for(plan: &Plan, folder: &Path, out: &Path) -> Result<TrimReport, Error> {
    let vocabulary = Vocabulary::read(folder)?;
    let texts = texts::from_plan(plan)?;
    let inputs = [texts.inputs()];
    let mut counts = vocabulary.count(inputs.iter().map(Vec::as_slice))?;
    if let Some(sampled) = texts::sampled(plan)? {
        counts.add_all_segmentations(&sampled.inputs())?;
    }
    vocabulary.trim(&counts, &inputs, &[], TrimOptions::default(), out)
}

/// The vocabulary of a model folder.
struct Vocabulary<'a> {
    folder: &'a Path,
    json: Vec<u8>,
    tokenizer: Tokenizer,
    pad_token_id: u32,
}

impl<'a> Vocabulary<'a> {
    fn read(folder: &'a Path) -> Result<Self, Error> {
        check_whole(folder)?;
        let (config, _) = read_config(folder)?;
        let path = folder.join("tokenizer.json");
        let json = fs::read(&path).map_err(io(&path))?;
        let tokenizer = Tokenizer::from_bytes(&json, &path)?;
        check_vocabulary(&tokenizer, &path, &config)?;
        Ok(Self { folder, json, tokenizer, pad_token_id: config.pad_token_id })
    }

    fn count<'t>(
        &self,
        mut corpora: impl Iterator<Item = &'t [TokenizerInput<'t>]>,
    ) -> Result<PieceCounts<'_>, Error> {
        let mut counts = PieceCounts::new(&self.tokenizer)?;
        corpora.try_for_each(|inputs| counts.add(inputs))?;
        Ok(counts)
    }

    /// The tokenizer's file and itself with these pieces alone.
    fn with(&self, kept: &[u32]) -> Result<(Vec<u8>, Tokenizer), Error> {
        let path = self.folder.join("tokenizer.json");
        let json = trim_tokenizer(&self.tokenizer, &self.json, &path, kept)?;
        let tokenizer = Tokenizer::from_bytes(&json, &path)?;
        Ok((json, tokenizer))
    }

    fn trim(
        &self,
        counts: &PieceCounts<'_>,
        corpora: &[Vec<TokenizerInput<'_>>],
        others: &[TokenizerInput<'_>],
        options: TrimOptions,
        out: &Path,
    ) -> Result<TrimReport, Error> {
        // Some families count positions from the number of the padding token.
        let needed: Vec<u32> = (0..=self.pad_token_id).collect();
        let kept = counts.select(&needed, options.keep)?;
        let (json, trimmed) = self.with(&kept.ids)?;
        let compare = |texts: &[TokenizerInput<'_>]| {
            SegmentationComparison::new(&self.tokenizer, &trimmed, &kept.ids, texts)
        };
        let inputs = corpora.concat();
        let (of_texts, of_others) = (compare(&inputs)?, compare(others)?);
        if kept.n_lost == 0 && of_texts.n_changed > 0 {
            let (path, n_texts) = (self.folder.join("tokenizer.json"), of_texts.n_changed);
            return Err(ToolError::OtherSegmentation { path, n_texts }.into());
        }
        let mut report = TrimReport {
            n_pieces: [self.tokenizer.vocab_size(), kept.ids.len()],
            n_unseen_pieces: kept.n_unseen,
            n_lost_pieces: kept.n_lost,
            n_parameters: [0; 2],
            n_bytes: [weight_bytes(self.folder)?, 0],
            texts: of_texts,
            unseen: self.unseen(corpora, &needed, options.keep)?,
            others: (!others.is_empty()).then_some(of_others),
            states: StateCheck::default(),
        };
        replace_folder(out, |out| {
            let stored = StoredModel::read(self.folder, Some(&kept.ids))?;
            report.n_parameters = [stored.n_parameters_read(), stored.n_parameters()];
            stored.write(out, options.storage)?;
            report.n_bytes[1] = weight_bytes(out)?;
            write_atomically(&out.join("tokenizer.json"), &json)?;
            self.copy_rest(&kept.ids, out)?;
            let note = Note { n_pieces: report.n_pieces, n_lost_pieces: kept.n_lost };
            let note = serde_json::to_vec_pretty(&note).expect("numbers are printable");
            write_atomically(&out.join(TRIM_NOTE), &note)?;
            report.states = compare_states(
                [(self.folder, &self.tokenizer), (out, &trimmed)],
                &kept.ids,
                &inputs,
                options.n_checked,
            )?;
            if options.storage == Storage::F32 && report.states.largest_difference > 0.0 {
                let difference = report.states.largest_difference;
                let folder = self.folder.to_owned();
                return Err(ToolError::OtherStates { folder, difference, largest: None }.into());
            }
            Ok(())
        })?;
        Ok(report)
    }

    /// How a tenth of the texts would be cut if the vocabulary were that of the others.
    fn unseen(
        &self,
        corpora: &[Vec<TokenizerInput<'_>>],
        needed: &[u32],
        keep: Option<usize>,
    ) -> Result<Option<SegmentationComparison>, Error> {
        if corpora.iter().map(Vec::len).sum::<usize>() < 2 * UNSEEN_SHARE {
            return Ok(None);
        }
        let known: Vec<_> = corpora.iter().map(|inputs| share(inputs, false)).collect();
        let unseen: Vec<_> = corpora.iter().flat_map(|inputs| share(inputs, true)).collect();
        let kept = self.count(known.iter().map(Vec::as_slice))?.select(needed, keep)?;
        let (_, trimmed) = self.with(&kept.ids)?;
        Ok(Some(SegmentationComparison::new(&self.tokenizer, &trimmed, &kept.ids, &unseen)?))
    }

    /// The files beside weights, configuration and tokenizer that other programs read.
    fn copy_rest(&self, kept: &[u32], out: &Path) -> Result<(), Error> {
        copy_unchanged(self.folder, out)?;
        let (from, to) =
            (self.folder.join("tokenizer_config.json"), out.join("tokenizer_config.json"));
        if from.exists() {
            let bytes = fs::read(&from).map_err(io(&from))?;
            let mut config: Value = serde_json::from_slice(&bytes).map_err(json(&from))?;
            renumber_added_tokens(&mut config, kept);
            write_atomically(&to, &serde_json::to_vec_pretty(&config).map_err(json(&from))?)?;
        }
        Ok(())
    }
}

/// Tells whether the vocabulary of a folder was cut to a number of pieces, fewer than its texts needed.
pub(crate) fn has_lost_pieces(folder: &Path) -> Result<bool, Error> {
    let path = folder.join(TRIM_NOTE);
    if !path.exists() {
        return Ok(false);
    }
    let bytes = fs::read(&path).map_err(io(&path))?;
    let note: Note = serde_json::from_slice(&bytes).map_err(json(path))?;
    Ok(note.n_lost_pieces > 0)
}

/// Gives the added tokens of a `tokenizer_config.json` their new numbers.
fn renumber_added_tokens(config: &mut Value, kept: &[u32]) {
    let Some(tokens) = config.get_mut("added_tokens_decoder").and_then(Value::as_object_mut) else {
        return;
    };
    let renumbered = std::mem::take(tokens).into_iter().filter_map(|(id, token)| {
        let id: u32 = id.parse().ok()?;
        Some((kept.binary_search(&id).ok()?.to_string(), token))
    });
    tokens.extend(renumbered);
}
