//! Evaluation datasets: labeled files for trained models.

use std::path::Path;

use isogloss_text::{Example, FeatureOptions, LabelSet, Language, ReadOptions, Tokenizer};

use super::labeled_set::LabeledSet;
use super::traits::{LabeledTask, LearnedLabels};
use crate::Error;

impl LabeledSet {
    /// Reads a labeled file that is not part of a plan, with the labels of a trained model. If the
    /// options have no label names, classes given as numbers have the names of the model's labels.
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
        let mut options = options.clone();
        if options.label_names.is_empty() {
            options.label_names = labels.names().to_vec();
        }
        let examples = task.read(path, &options)?;
        Self::from_examples(path, &examples, task, language, tokenizer, labels, features)
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
        labels: &LabelSet,
        features: &FeatureOptions,
    ) -> Result<Self, Error> {
        let learned = LearnedLabels { labels, aux: None };
        let featurized = task.featurize(tokenizer, examples, learned, features)?;
        Self::new(language, path.to_owned(), examples, featurized)
    }
}
