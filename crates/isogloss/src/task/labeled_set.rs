//! Labeled examples of one language, tokenized.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::Device;
use isogloss_model::{EncoderConfig, ModelInput};
use isogloss_text::{
    Content, Example, Features, Featurized, Language, LostWord, Sentence, TokenBatch, Treebank,
};
use serde::Serialize;

use crate::Error;
use crate::error::DataError;
use crate::ground::sample::sample_indices;
use crate::ground::tensors::model_input;

/// Labeled examples of one language, tokenized.
#[derive(Debug)]
pub struct LabeledSet {
    /// The language.
    pub language: Language,
    /// The file they came from.
    pub path: PathBuf,
    /// The examples that were kept.
    pub features: Vec<Features>,
    /// The tagged words of each of them that no token stands for: their predictions are wrong.
    lost: Vec<Vec<LostWord>>,
    /// The sentences that they were made of, for a parser; none for other tasks.
    pub treebank: Option<Treebank>,
    /// What was cut and left out.
    pub report: DataReport,
}

/// Counts of what was read: examples kept, and all that was cut, lost or left out of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DataReport {
    /// Examples kept.
    pub n: usize,
    /// Texts longer than the model takes or the recipe allows; their ends were cut off.
    pub n_truncated: usize,
    /// Tokens of the longest example before it was cut.
    pub longest: usize,
    /// Words with a tag or head, or spans of running text, that no token stands for, cut off or unknown
    /// to the tokenizer; they count as wrong.
    pub n_words_lost: usize,
    /// Those of them that were cut off.
    pub n_words_cut: usize,
    /// Examples left out because the source language lacks their label, by label.
    pub left_out: BTreeMap<String, usize>,
    /// Examples of training without a translation, where translations are read.
    pub n_untranslated: usize,
    /// Parallel sentences left out because no two of their words were linked.
    pub n_unlinked: usize,
}

impl DataReport {
    /// Examples left out.
    pub fn n_left_out(&self) -> usize {
        self.left_out.values().sum()
    }

    /// Adds the counts of other data.
    pub fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.n_truncated += other.n_truncated;
        self.longest = self.longest.max(other.longest);
        self.n_words_lost += other.n_words_lost;
        self.n_words_cut += other.n_words_cut;
        for (label, n) in &other.left_out {
            *self.left_out.entry(label.clone()).or_default() += n;
        }
        self.n_untranslated += other.n_untranslated;
        self.n_unlinked += other.n_unlinked;
    }
}

impl<'a> Extend<&'a DataReport> for DataReport {
    fn extend<I: IntoIterator<Item = &'a Self>>(&mut self, others: I) {
        others.into_iter().for_each(|other| self.add(other));
    }
}

impl<'a> FromIterator<&'a DataReport> for DataReport {
    fn from_iter<I: IntoIterator<Item = &'a Self>>(others: I) -> Self {
        let mut all = Self::default();
        all.extend(others);
        all
    }
}

impl LabeledSet {
    /// Takes featurized examples of a file; an error if none is left.
    pub(crate) fn new(
        language: Language,
        path: PathBuf,
        examples: &[Example],
        featurized: Featurized,
    ) -> Result<Self, Error> {
        let report = DataReport {
            n: featurized.features.len(),
            n_truncated: featurized.truncation.n_truncated,
            longest: featurized.truncation.longest,
            n_words_lost: featurized.truncation.n_words_lost,
            n_words_cut: featurized.truncation.n_words_cut,
            left_out: featurized.skipped,
            ..DataReport::default()
        };
        if report.n == 0 {
            return Err(DataError::NoneLeft { path }.into());
        }
        let kept = featurized.kept.iter().map(|index| &examples[*index]);
        let kept: Vec<Sentence> =
            kept.flat_map(|example| sentences(std::slice::from_ref(example))).cloned().collect();
        let treebank =
            (!kept.is_empty()).then(|| Treebank { path: path.as_path().into(), sentences: kept });
        let Featurized { features, lost, .. } = featurized;
        Ok(Self { language, path, features, lost, treebank, report })
    }

    /// Tokens of each example.
    pub fn lengths(&self) -> Vec<usize> {
        self.features.iter().map(|features| features.input.len()).collect()
    }

    /// At most `n` of its examples, evenly spaced.
    pub(crate) fn sample_evenly(&self, n: usize) -> Self {
        let n_all = self.features.len();
        let n = n.min(n_all);
        self.select(&(0..n).map(|i| i * n_all / n).collect::<Vec<_>>())
    }

    /// A sample of the examples, by a seed; an error if there are too few.
    pub(crate) fn sample(&self, n: usize, seed: u64) -> Result<Self, Error> {
        let n_all = self.features.len();
        if n_all < n {
            let (path, language) = (self.path.clone(), self.language.clone());
            let error = DataError::TooFew { path, language, expected: n, found: n_all };
            return Err(error.into());
        }
        Ok(self.select(&sample_indices(n_all, Some(n), seed)))
    }

    /// The examples of these indices.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        let features = indices.iter().map(|index| self.features[*index].clone()).collect();
        let lost = indices.iter().map(|index| self.lost[*index].clone()).collect();
        let treebank = self.treebank.as_ref().map(|treebank| {
            let sentences = indices.iter().map(|index| treebank.sentences[*index].clone());
            Treebank { path: treebank.path.clone(), sentences: sentences.collect() }
        });
        let report = DataReport { n: indices.len(), ..self.report.clone() };
        let (language, path) = (self.language.clone(), self.path.clone());
        Self { language, path, features, lost, treebank, report }
    }

    /// The tagged words of an example that no token stands for.
    pub(super) fn lost(&self, index: usize) -> &[LostWord] {
        &self.lost[index]
    }

    /// Puts some of the examples into a batch, padded to the longest of them.
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

/// The sentences among examples that have a tree.
pub(super) fn sentences(examples: &[Example]) -> impl Iterator<Item = &Sentence> {
    examples.iter().filter_map(|example| match &example.content {
        Content::Tree(sentence) => Some(sentence),
        Content::Text { .. } | Content::Words { .. } => None,
    })
}
