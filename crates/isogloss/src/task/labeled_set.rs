//! Labeled dataset of one language, tokenized.

use std::path::PathBuf;

use burn::tensor::Device;
use isogloss_model::{EncoderConfig, ModelInput};
use isogloss_text::{
    Content, Example, Features, Featurized, Language, LostWord, Sentence, TokenBatch, Treebank,
};

use super::data_hash::hash_of_examples;
use super::data_report::DataReport;
use crate::Error;
use crate::error::DataError;
use crate::ground::tensors::model_input;

/// Labeled dataset of one language, tokenized.
#[derive(Debug)]
pub struct LabeledSet {
    /// The language.
    pub language: Language,
    /// The file they came from.
    pub path: PathBuf,
    /// The tokenized examples, without those that were left out.
    pub features: Vec<Features>,
    /// The tagged words of each example that have no token: their predictions count as wrong.
    lost: Vec<Vec<LostWord>>,
    /// The gold sentences of the examples, for a parser; none for other tasks.
    pub treebank: Option<Treebank>,
    /// Counts of truncated and left-out examples.
    pub report: DataReport,
    /// Data hash of the examples that were read.
    pub(super) data_hash: String,
}

impl LabeledSet {
    /// Builds a dataset from the featurized examples of a file; an error if none is left.
    pub(crate) fn new(
        language: Language,
        path: PathBuf,
        examples: &[Example],
        featurized: Featurized,
    ) -> Result<Self, Error> {
        let kept = || featurized.kept.iter().map(|index| &examples[*index]);
        let report = DataReport {
            n: featurized.features.len(),
            n_truncated: featurized.truncation.n_truncated,
            n_without_tokens: featurized.truncation.n_without_tokens,
            longest: featurized.truncation.longest,
            n_words_lost: featurized.truncation.n_words_lost,
            n_words_cut: featurized.truncation.n_words_cut,
            n_spans_widened: featurized.misfits.n_widened,
            n_spans_untagged: featurized.misfits.n_untagged,
            n_without_spans: kept().filter(|example| example.lacks_spans).count(),
            left_out: featurized.skipped.clone(),
            unseen: featurized.unseen.clone(),
            ..DataReport::default()
        };
        if report.n == 0 {
            return Err(DataError::NoExamplesLeft { path }.into());
        }
        let kept: Vec<Sentence> =
            kept().flat_map(|example| sentences(std::slice::from_ref(example))).cloned().collect();
        let treebank =
            (!kept.is_empty()).then(|| Treebank { path: path.as_path().into(), sentences: kept });
        let Featurized { features, lost, .. } = featurized;
        let data_hash = hash_of_examples(examples);
        Ok(Self { language, path, features, lost, treebank, report, data_hash })
    }

    /// Names an example in messages, by its file and its place among those that were not left out.
    pub(crate) fn name(&self, index: usize) -> String {
        let place = format!("{}: example {}", self.path.display(), index + 1);
        match self.report.n_left_out() {
            0 => place,
            n => format!("{place} without the {n} that are left out"),
        }
    }

    /// Number of tokens of each example.
    pub fn lengths(&self) -> Vec<usize> {
        self.features.iter().map(|features| features.input.len()).collect()
    }

    /// Subsample of at most `n` evenly spaced examples.
    pub(crate) fn sample_evenly(&self, n: usize) -> Self {
        let n_all = self.features.len();
        let n = n.min(n_all);
        self.select(&(0..n).map(|i| i * n_all / n).collect::<Vec<_>>())
    }

    /// Subset of the examples at these indices.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        let features = indices.iter().map(|index| self.features[*index].clone()).collect();
        let lost = indices.iter().map(|index| self.lost[*index].clone()).collect();
        let treebank = self.treebank.as_ref().map(|treebank| {
            let sentences = indices.iter().map(|index| treebank.sentences[*index].clone());
            Treebank { path: treebank.path.clone(), sentences: sentences.collect() }
        });
        let report = DataReport { n: indices.len(), ..self.report.clone() };
        let (language, path) = (self.language.clone(), self.path.clone());
        let data_hash = self.data_hash.clone();
        Self { language, path, features, lost, treebank, report, data_hash }
    }

    /// The tagged words of an example that have no token.
    pub(super) fn lost(&self, index: usize) -> &[LostWord] {
        &self.lost[index]
    }

    /// Collates some of the examples into a batch, padded to the longest of them.
    pub(crate) fn batch(
        &self,
        indices: &[usize],
        config: &EncoderConfig,
        device: &Device,
    ) -> Result<(TokenBatch, ModelInput), Error> {
        let features: Vec<_> = indices.iter().map(|index| &self.features[*index]).collect();
        let batch = TokenBatch::collate(&features, indices.to_vec(), config.pad_token_id)?;
        let input = model_input(&batch, config, &self.path, device)?;
        Ok((batch, input))
    }
}

/// The sentences of the examples that have a dependency tree.
pub(super) fn sentences(examples: &[Example]) -> impl Iterator<Item = &Sentence> {
    examples.iter().filter_map(|example| match &example.content {
        Content::Tree(sentence) => Some(sentence),
        Content::Text { .. } | Content::Words { .. } => None,
    })
}
