//! Vocabulary trimming: reduces the tokenizer and the embedding matrix to the subwords of some
//! texts.

mod states;
mod texts;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use isogloss_model::{
    SentenceModules, Storage, StoredModel, read_config, read_sentence_modules, tokenizer_folder,
};
use isogloss_text::{
    PieceCounts, SegmentationComparison, Texts, Tokenizer, TokenizerInput, lowercase,
    trim_tokenizer,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model_folder::{check_whole, copy_language_files, copy_unchanged, weight_bytes};
use super::state_check::StateCheck;
use crate::error::{ToolError, io, json};
use crate::ground::files::{replace_folder, write_atomically};
use crate::ground::tokenizer_files::TRIM_NOTE;
use crate::ground::vocabulary::check_vocabulary;
use crate::{Error, Plan};
use states::compare_states;

/// Held-out ratio: one text in this many is held out, to measure the segmentation of unseen texts.
const UNSEEN_SHARE: usize = 10;

/// The held-out texts, one in [`UNSEEN_SHARE`], if `unseen`; else the others.
fn share<'t>(inputs: &[TokenizerInput<'t>], unseen: bool) -> Vec<TokenizerInput<'t>> {
    let inputs = inputs.iter().enumerate();
    let share = inputs.filter(|(at, _)| at.is_multiple_of(UNSEEN_SHARE) == unseen);
    share.map(|(_, input)| *input).collect()
}

/// Contents of `trimmed.json`, the metadata of a trimmed vocabulary.
#[derive(Serialize, Deserialize)]
struct Note {
    /// Number of pieces (vocabulary size) before and after.
    n_pieces: [usize; 2],
    /// Number of pieces of the texts that were dropped.
    n_lost_pieces: usize,
}

/// Options of vocabulary trimming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimOptions {
    /// The maximum number of pieces to keep; `None` for all that the texts need.
    pub keep: Option<usize>,
    /// The storage format of the weights (quantization).
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
    /// Number of pieces (vocabulary size) before and after.
    pub n_pieces: [usize; 2],
    /// Number of kept pieces that occur in no text.
    pub n_unseen_pieces: usize,
    /// Number of pieces of the texts that were dropped.
    pub n_lost_pieces: usize,
    /// Parameters before and after, those of unused heads included.
    pub n_parameters: [usize; 2],
    /// Bytes of the weights before and after.
    pub n_bytes: [u64; 2],
    /// Segmentation of the texts before and after trimming.
    pub texts: SegmentationComparison,
    /// Segmentation of unseen texts: of a held-out tenth of the texts, with a vocabulary of the
    /// others; `None` if there are few.
    pub unseen: Option<SegmentationComparison>,
    /// Segmentation of the other texts, if there are any.
    pub others: Option<SegmentationComparison>,
    /// Check of the hidden states of some texts.
    pub states: StateCheck,
}

/// Vocabulary trimming: writes the model of `folder` to `out` with a vocabulary of the pieces that
/// the texts of `corpora` need.
///
/// Kept are the pieces of the texts, special tokens, single characters, and the fallbacks for
/// unknown text; see [`PieceCounts::select`]. Unless `keep` is set, every text is segmented as
/// before, and, unless weights are stored in fewer bits, its hidden states have the same bits; both
/// are checked before the folder is moved to its path. The segmentation of `others` is reported,
/// but their pieces are not kept.
///
/// # Errors
/// If a file cannot be read or written, `folder` holds an adapter-only checkpoint, there is no room
/// for the special tokens, or a check fails.
pub fn trim(
    folder: &Path,
    corpora: &[Texts],
    others: Option<&Texts>,
    options: TrimOptions,
    out: &Path,
) -> Result<TrimReport, Error> {
    let vocabulary = Vocabulary::read(folder)?;
    let corpora: Vec<_> = corpora.iter().map(|texts| vocabulary.as_read(texts)).collect();
    let inputs: Vec<_> = corpora.iter().map(|texts| texts.inputs()).collect();
    let counts = vocabulary.count(inputs.iter().map(Vec::as_slice))?;
    vocabulary.trim(&counts, &inputs, &others.map(Texts::inputs).unwrap_or_default(), options, out)
}

/// Trims the vocabulary of a model to the texts of a plan; with subword sampling, to all their
/// segmentations.
pub(crate) fn trim_for(plan: &Plan, folder: &Path, out: &Path) -> Result<TrimReport, Error> {
    let vocabulary = Vocabulary::read(folder)?;
    let texts = texts::from_plan(plan)?;
    let texts = vocabulary.as_read(&texts);
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
    /// Path of its `tokenizer.json`.
    path: PathBuf,
    /// The content of `tokenizer.json`, with the settings of the files beside it.
    json: Vec<u8>,
    tokenizer: Tokenizer,
    pad_token_id: u32,
    /// The settings by which a sentence-transformers folder reads texts.
    modules: SentenceModules,
}

impl<'a> Vocabulary<'a> {
    fn read(folder: &'a Path) -> Result<Self, Error> {
        check_whole(folder)?;
        let (config, _) = read_config(folder)?;
        let path = tokenizer_folder(folder)?.join("tokenizer.json");
        let (tokenizer, json) = Tokenizer::with_resolved_file(&path)?;
        check_vocabulary(&tokenizer, &path, &config)?;
        let modules = read_sentence_modules(folder)?.unwrap_or_default();
        let pad_token_id = config.pad_token_id;
        Ok(Self { folder, path, json, tokenizer, pad_token_id, modules })
    }

    /// Texts as the model reads them: with copies after each prompt, and lower-cased copies, if its
    /// sentence embeddings are made of those.
    fn as_read<'t>(&self, texts: &'t Texts) -> Cow<'t, Texts> {
        let mut read = Cow::Borrowed(texts);
        let prompts = self.modules.prompts.values().filter(|prompt| !prompt.is_empty());
        for prompt in prompts {
            read.to_mut().add_text(prompt);
            let prompted = texts.with_copies(|text| format!("{prompt}{text}"));
            read.to_mut().add_all(&prompted);
        }
        if self.modules.do_lower_case {
            read = Cow::Owned(read.with_copies(lowercase));
        }
        read
    }

    fn count<'t>(
        &self,
        mut corpora: impl Iterator<Item = &'t [TokenizerInput<'t>]>,
    ) -> Result<PieceCounts<'_>, Error> {
        let mut counts = PieceCounts::new(&self.tokenizer)?;
        corpora.try_for_each(|inputs| counts.add(inputs))?;
        Ok(counts)
    }

    /// The tokenizer with these pieces alone: its JSON file, and the loaded tokenizer.
    fn with(&self, kept: &[u32]) -> Result<(Vec<u8>, Tokenizer), Error> {
        let json = trim_tokenizer(&self.tokenizer, &self.json, &self.path, kept)?;
        let tokenizer = Tokenizer::from_bytes(&json, &self.path)?;
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
        // Some model families count positions from the padding token id, which must stay the same.
        let needed: Vec<u32> = (0..=self.pad_token_id).collect();
        let kept = counts.select(&needed, options.keep)?;
        let (json, trimmed) = self.with(&kept.ids)?;
        let compare = |texts: &[TokenizerInput<'_>]| {
            SegmentationComparison::new(&self.tokenizer, &trimmed, &kept.ids, texts)
        };
        let inputs = corpora.concat();
        let (of_texts, of_others) = (compare(&inputs)?, compare(others)?);
        if kept.n_lost == 0 && of_texts.n_changed > 0 {
            let (path, n_texts) = (self.path.clone(), of_texts.n_changed);
            return Err(ToolError::SegmentationChanged { path, n_texts }.into());
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
                return Err(
                    ToolError::HiddenStateMismatch { folder, difference, largest: None }.into()
                );
            }
            Ok(())
        })?;
        Ok(report)
    }

    /// Segmentation of unseen texts: of a held-out tenth, with the vocabulary of the others.
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

    /// Copies the other files of the model folder, which other libraries read.
    fn copy_rest(&self, kept: &[u32], out: &Path) -> Result<(), Error> {
        copy_unchanged(self.folder, out)?;
        copy_language_files(self.folder, out)?;
        let (from, to) =
            (self.path.with_file_name("tokenizer_config.json"), out.join("tokenizer_config.json"));
        if from.exists() {
            let bytes = fs::read(&from).map_err(io(&from))?;
            let mut config: Value = serde_json::from_slice(&bytes).map_err(json(&from))?;
            renumber_added_tokens(&mut config, kept);
            write_atomically(&to, &serde_json::to_vec_pretty(&config).map_err(json(&from))?)?;
        }
        Ok(())
    }
}

/// Whether the trimmed vocabulary of a model folder lacks pieces that its texts needed.
pub(crate) fn has_lost_pieces(folder: &Path) -> Result<bool, Error> {
    let path = folder.join(TRIM_NOTE);
    if !path.exists() {
        return Ok(false);
    }
    let bytes = fs::read(&path).map_err(io(&path))?;
    let note: Note = serde_json::from_slice(&bytes).map_err(json(path))?;
    Ok(note.n_lost_pieces > 0)
}

/// Changes the ids of the added tokens in a `tokenizer_config.json` to the new ones.
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
