//! Errors of training and evaluation data.

use std::path::PathBuf;

use isogloss_text::{Language, TreeError};

/// Error of training or evaluation data: examples, sentence pairs or text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No data file was found for any language.
    #[error("{pattern}: no file for any language")]
    NoFile {
        /// The path pattern, with `{language}` in it.
        pattern: String,
    },
    /// A file of examples in place of one of texts.
    #[error(
        "{}: expected a file with one text on each line, such as {}; this is one of examples",
        path.display(), path.with_extension("txt").display()
    )]
    NotPlainText {
        /// The file.
        path: PathBuf,
    },
    /// Labeled examples were requested for a task without labels.
    #[error("{task} has no labeled examples")]
    Unlabeled {
        /// The name of the task.
        task: &'static str,
    },
    /// No training example has a label.
    #[error("{}: no labels to learn", path.display())]
    NoLabels {
        /// The file.
        path: PathBuf,
    },
    /// No example of a dataset has a label.
    #[error("{}: no example has a label to {purpose}", path.display())]
    NoTargets {
        /// The file.
        path: PathBuf,
        /// `measure at` or `learn from`.
        purpose: &'static str,
    },
    /// All examples have labels that the source language lacks.
    #[error("{}: no example is left: none of its labels is learned", path.display())]
    NoExamplesLeft {
        /// The file.
        path: PathBuf,
    },
    /// Fewer examples than few-shot fine-tuning asks for.
    #[error(
        "{}: {found} examples to learn from in {language}: few_shot.n_support asks for {expected}",
        path.display()
    )]
    TooFew {
        /// The file.
        path: PathBuf,
        /// Its language.
        language: Language,
        /// Number of examples needed.
        expected: usize,
        /// Number of examples found.
        found: usize,
    },
    /// No training example has a translation in the files of `[views.translated]`.
    #[error(
        "{}: none of its texts has a translation in the files of [views.translated]",
        path.display()
    )]
    NoTranslation {
        /// The file of the examples.
        path: PathBuf,
    },
    /// No block of text is left to train on: all are held out.
    #[error("{}: no block is left to train on: all {n_held_out} are held out", path.display())]
    NoBlockLeft {
        /// The file.
        path: PathBuf,
        /// Number of held-out blocks.
        n_held_out: usize,
    },
    /// No sentence pair is left to train on: all are held out or have no aligned words.
    #[error("{}: no pair is left to train on: {}", path.display(), unlinked(*n_unlinked))]
    NoPairLeft {
        /// The file.
        path: PathBuf,
        /// Number of pairs without aligned words.
        n_unlinked: usize,
    },
    /// An example whose format the task cannot read.
    #[error("{}:{line}: {task} reads {expected}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The line of the example.
        line: usize,
        /// The name of the task.
        task: &'static str,
        /// The expected format.
        expected: &'static str,
    },
    /// A split of a treebank was requested; treebanks have no splits.
    #[error("{}: a treebank does not say which sentences are of split {split:?}", path.display())]
    SplitOfTreebank {
        /// The file.
        path: PathBuf,
        /// The split.
        split: String,
    },
    /// No dependency tree: the parser's scores of a sentence are not finite.
    #[error("{}: the model's scores make no tree: {source}", path.display())]
    NoTree {
        /// The file of the sentences.
        path: PathBuf,
        /// The error of the scores.
        source: TreeError,
    },
}

fn unlinked(n: usize) -> String {
    match n {
        0 => "all are held out".to_owned(),
        n => format!("no words of {n} pairs were linked"),
    }
}
