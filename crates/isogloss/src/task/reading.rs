//! Evaluation datasets: labeled files for trained models, and how they are read.

use std::collections::BTreeSet;
use std::path::Path;

use isogloss_text::{
    Columns, Example, FeatureOptions, Format, LabelSet, Language, Quoting, ReadOptions, TagScheme,
    Tokenizer, select_split,
};
use serde::{Deserialize, Serialize};

use super::labeled_set::LabeledSet;
use super::traits::{LabeledTask, LearnedLabels};
use crate::Error;

/// Reader settings of labeled files, besides their format: columns, header, quoting, tag scheme and
/// label names of a recipe's `[data]`. They decide scores, so they are saved with the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SavedReading {
    /// The fields or columns of the parts of an example.
    pub columns: Columns,
    /// Whether the first row of a TSV or CSV file names the columns.
    pub header: bool,
    /// The quoting in TSV and CSV files.
    pub quoting: Quoting,
    /// The tag scheme of words.
    pub tag_scheme: TagScheme,
    /// Label names of numeric classes and tags, by class index.
    pub label_names: Vec<String>,
    /// The name of the test split, in files with a column of splits.
    pub test_split: String,
}

/// Split of a file that is scored, where a column tells the split of each example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScoredSplit {
    /// Its name.
    pub name: String,
    /// Number of examples of other splits, which are not scored.
    pub n_others: usize,
}

impl Default for SavedReading {
    fn default() -> Self {
        // The format is not among them.
        let ReadOptions { columns, header, quoting, tag_scheme, label_names, .. } =
            ReadOptions::new(Format::Jsonl);
        let test_split = "test".to_owned();
        Self { columns, header, quoting, tag_scheme, label_names, test_split }
    }
}

impl SavedReading {
    /// Reader options for a file of a format; all splits are read.
    pub fn options(&self, format: Format) -> ReadOptions {
        ReadOptions::new(format)
            .with_columns(self.columns.clone())
            .with_header(self.header)
            .with_quoting(self.quoting)
            .with_tag_scheme(self.tag_scheme)
            .with_label_names(self.label_names.iter().cloned())
    }

    /// Selects the examples of the test split, if the file has a column of splits: a run is scored
    /// on those alone. A file of a single other split is kept whole.
    ///
    /// # Errors
    /// If an example has no split and others have, or none of several splits is the test split.
    pub fn select_test_split(
        &self,
        path: &Path,
        examples: Vec<Example>,
    ) -> Result<(Vec<Example>, Option<ScoredSplit>), Error> {
        let names: BTreeSet<_> = examples.iter().filter_map(|e| e.split.as_deref()).collect();
        let name = match names.iter().next() {
            None => return Ok((examples, None)),
            Some(only) if names.len() == 1 => (*only).to_owned(),
            Some(_) => self.test_split.clone(),
        };
        let n = examples.len();
        let selected = select_split(examples, path, &name, &self.columns.split)?;
        let n_others = n - selected.len();
        Ok((selected, Some(ScoredSplit { name, n_others })))
    }

    /// The column of splits that the model's run read by a name of its own, if a file has none, so
    /// that all of its examples are scored; `split` is what was selected of the file.
    pub fn missing_split_column(&self, split: Option<&ScoredSplit>) -> Option<&str> {
        let column = self.columns.split.as_str();
        (split.is_none() && column != Columns::default().split).then_some(column)
    }

    /// Reader settings of a model that was not trained by a run: classes given as numbers
    /// (`ClassLabel` of HF datasets) have the names of the model's labels, unless its labels are
    /// numbers themselves.
    pub(crate) fn for_labels(labels: &[String]) -> Self {
        let are_numbers = labels.iter().any(|name| name.parse::<i64>().is_ok());
        let label_names = if are_numbers { Vec::new() } else { labels.to_vec() };
        Self { label_names, ..Self::default() }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl LabeledSet {
    /// Reads a labeled file that is not part of a plan, with the labels of a trained model.
    ///
    /// # Errors
    /// As [`Corpus::read`](crate::Corpus::read).
    pub fn read(
        path: &Path,
        options: &ReadOptions,
        task: &dyn LabeledTask,
        language: Language,
        tokenizer: &Tokenizer,
        labels: &LabelSet,
        features: &FeatureOptions,
    ) -> Result<Self, Error> {
        let examples = task.read(path, options)?;
        let learned = LearnedLabels { labels, aux: None, scored_aux: None };
        Self::from_examples(path, &examples, task, language, tokenizer, learned, features)
    }

    /// Builds a dataset from examples that were read from a file, with the labels of a trained
    /// model.
    ///
    /// # Errors
    /// As [`Corpus::read`](crate::Corpus::read).
    pub fn from_examples(
        path: &Path,
        examples: &[Example],
        task: &dyn LabeledTask,
        language: Language,
        tokenizer: &Tokenizer,
        learned: LearnedLabels<'_>,
        features: &FeatureOptions,
    ) -> Result<Self, Error> {
        let featurized = task.featurize(tokenizer, examples, learned, features)?;
        Self::new(language, path.to_owned(), examples, featurized)
    }
}
