//! What each task makes of a file: examples, labels, features.

use std::path::Path;

use isogloss_text::{
    Content, Example, FeatureOptions, Featurized, LabelSet, ParseLabels, ReadOptions, Sentence,
    TextError, Tokenizer, featurize_classification, featurize_parsing, featurize_tagging,
    read_file, read_treebank_file,
};

use crate::Error;
use crate::recipe::Task;

impl Task {
    /// The examples of a file; those of a parser are the sentences of a treebank.
    pub(super) fn read(&self, path: &Path, options: &ReadOptions) -> Result<Vec<Example>, Error> {
        match (self, &options.split) {
            (Self::Parsing(_), None) => {
                let treebank = read_treebank_file(path)?;
                Ok(treebank.sentences.into_iter().map(Example::from).collect())
            }
            (Self::Parsing(_), Some(split)) => {
                let problem =
                    format!("a treebank does not say which sentences are of split {split:?}");
                Err(Error::Damaged { path: path.to_owned(), problem })
            }
            _ => Ok(read_file(path, options)?),
        }
    }

    /// The parts of speech that are learned beside relations; none but for parsing.
    pub(super) fn upos(&self, examples: &[Example]) -> LabelSet {
        match self {
            Self::Parsing(recipe) if recipe.tags => LabelSet::upos(sentences(examples)),
            _ => LabelSet::default(),
        }
    }

    /// The labels that examples have for this task: classes, BIO tags, or relations.
    pub(super) fn labels(&self, examples: &[Example]) -> LabelSet {
        match self {
            Self::Classification {} | Self::Retrieval { .. } | Self::LanguageModeling {} => {
                LabelSet::classes(examples)
            }
            Self::Tagging { .. } => LabelSet::tags(examples),
            Self::Parsing(recipe) => LabelSet::deprels(sentences(examples), recipe.subtypes),
        }
    }
}

/// The sentences among examples that have a tree.
pub(super) fn sentences(examples: &[Example]) -> impl Iterator<Item = &Sentence> {
    examples.iter().filter_map(|example| match &example.content {
        Content::Tree(sentence) => Some(sentence),
        Content::Text { .. } | Content::Words { .. } => None,
    })
}

/// The labels of a task, and the parts of speech that are learned beside them.
pub(super) type Learned<'a> = (&'a LabelSet, Option<&'a LabelSet>);

pub(super) fn featurize(
    task: &Task,
    tokenizer: &Tokenizer,
    examples: &[Example],
    (labels, tags): Learned<'_>,
    options: &FeatureOptions,
) -> Result<Featurized, TextError> {
    match task {
        Task::Classification {} | Task::Retrieval { .. } | Task::LanguageModeling {} => {
            featurize_classification(tokenizer, examples, Some(labels), options)
        }
        Task::Tagging { units } => {
            featurize_tagging(tokenizer, examples, Some(labels), *units, options)
        }
        Task::Parsing(recipe) => {
            let labels = ParseLabels { relations: labels, subtypes: recipe.subtypes, tags };
            featurize_parsing(tokenizer, examples, Some(labels), options)
        }
    }
}
