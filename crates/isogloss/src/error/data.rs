//! Why examples, pairs or text cannot be trained on or scored.

use std::path::PathBuf;

use isogloss_text::{Language, TreeError};

/// Why examples, pairs or text cannot be trained on or scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No language has a file.
    #[error("{pattern}: no file for any language")]
    NoFile {
        /// The path, with `{language}` in it.
        pattern: String,
    },
    /// A task without labels was asked for labeled examples.
    #[error("{task} has no labeled examples")]
    Unlabeled {
        /// The name of the task.
        task: &'static str,
    },
    /// No example of training has a label.
    #[error("{}: no labels to learn", path.display())]
    NoLabels {
        /// The file.
        path: PathBuf,
    },
    /// No example of a set has a target.
    #[error("{}: no example has a label to {purpose}", path.display())]
    NoTargets {
        /// The file.
        path: PathBuf,
        /// `measure at` or `learn from`.
        purpose: &'static str,
    },
    /// All examples have labels that the source language lacks.
    #[error("{}: no example is left: the source language has none of its labels", path.display())]
    NoneLeft {
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
        /// Examples that are wanted.
        expected: usize,
        /// Examples that are there.
        found: usize,
    },
    /// No training example has a translation, where the view of translations is read.
    #[error(
        "{}: none of its texts has a translation in the files of [views.translated]",
        path.display()
    )]
    NoTranslation {
        /// The file of the examples.
        path: PathBuf,
    },
    /// All blocks of a text are held out.
    #[error("{}: no block is left to train on: all {n_held_out} are held out", path.display())]
    NoBlockLeft {
        /// The file.
        path: PathBuf,
        /// Blocks that are held out.
        n_held_out: usize,
    },
    /// All pairs of a file are held out, or have no words that were aligned.
    #[error("{}: no pair is left to train on: {}", path.display(), unlinked(*n_unlinked))]
    NoPairLeft {
        /// The file.
        path: PathBuf,
        /// Pairs whose words were not aligned.
        n_unlinked: usize,
    },
    /// An example that is not of the form that the task reads.
    #[error("{}:{line}: {task} reads {expected}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The line of the example.
        line: usize,
        /// The name of the task.
        task: &'static str,
        /// What it reads.
        expected: &'static str,
    },
    /// A split was asked of a treebank.
    #[error("{}: a treebank does not say which sentences are of split {split:?}", path.display())]
    SplitOfTreebank {
        /// The file.
        path: PathBuf,
        /// The split.
        split: String,
    },
    /// A parser's scores of a sentence are not finite.
    #[error("{}: the model's scores make no tree: {source}", path.display())]
    NoTree {
        /// The file of the sentences.
        path: PathBuf,
        /// What is wrong with the scores.
        source: TreeError,
    },
}

fn unlinked(n: usize) -> String {
    match n {
        0 => "all are held out".to_owned(),
        n => format!("no words of {n} pairs were linked"),
    }
}
