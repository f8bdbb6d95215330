//! Why there is no loss.

use std::ops::Range;

use crate::view::View;

/// Why an objective has no loss.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// The batch has no labels.
    #[error("objective {objective}: the batch has no labels")]
    MissingLabels {
        /// Its name.
        objective: &'static str,
    },
    /// A pass was not made.
    #[error("objective {objective}: the step has no view {view:?}")]
    MissingView {
        /// Its name.
        objective: &'static str,
        /// The pass.
        view: View,
    },
    /// The objective's state gave nothing.
    #[error("objective {objective}: its state keeps no rows yet")]
    MissingNegativeQueue {
        /// Its name.
        objective: &'static str,
    },
    /// The pairs of the step give no loss.
    #[error("objective {objective}: {source}")]
    Alignment {
        /// Its name.
        objective: &'static str,
        /// Why not.
        source: AlignmentError,
    },
}

impl ObjectiveError {
    /// Names the objective that an alignment error is of.
    pub(crate) fn alignment(objective: &'static str) -> impl Fn(AlignmentError) -> Self {
        move |source| Self::Alignment { objective, source }
    }
}

/// Why there is no alignment loss.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignmentError {
    /// Nothing is known to be a translation of anything: a batch to count and leave out.
    #[error("the batch has no aligned words")]
    NoLinks,
    /// The negatives were asked for too early.
    #[error("the queue of negatives has {found} of {expected} keys: fill it before the first step")]
    QueueNotFull {
        /// Its capacity.
        expected: usize,
        /// Keys in it.
        found: usize,
    },
    /// A queue that cannot be restored.
    #[error(
        "the queue of negatives: {found} keys and next {next} do not fit a capacity of {capacity}"
    )]
    QueueState {
        /// What the run asks for.
        capacity: usize,
        /// Saved keys.
        found: usize,
        /// Where the next key was to go.
        next: usize,
    },
    /// The model is not that deep.
    #[error("layer {layer}: the last layer of the model is {last}")]
    NoLayer {
        /// The one asked for, counted from the embeddings' output, 0.
        layer: usize,
        /// The highest there is.
        last: usize,
    },
    /// The heads of the layer are pruned, all of them.
    #[error("layer {layer}: it has no heads any more")]
    NoHeads {
        /// The one asked for, counted from 1, the first block.
        layer: usize,
    },
    /// A student that is not made like its teacher.
    #[error("{student} {what} in the student, {teacher} in the teacher: they must be as many")]
    Width {
        /// Of what.
        what: &'static str,
        /// In the student.
        student: usize,
        /// In the teacher.
        teacher: usize,
    },
    /// The words are those of another batch.
    #[error("{side} words: expected {expected} sentences, found {found}")]
    Sentences {
        /// `left` or `right`.
        side: &'static str,
        /// Rows of the hidden states.
        expected: usize,
        /// Sentences whose words are given.
        found: usize,
    },
    /// A word outside its sentence.
    #[error(
        "{side} sentence {sentence}, word {word}: expected tokens within 0..{seq_len}, found {tokens:?}"
    )]
    Tokens {
        /// `left` or `right`.
        side: &'static str,
        /// Its number in the batch.
        sentence: usize,
        /// Its number in the sentence.
        word: usize,
        /// Its tokens.
        tokens: Range<usize>,
        /// Tokens of a row, padding included.
        seq_len: usize,
    },
    /// A link to a word that is not there.
    #[error("link {}-{}: expected words below {n_left} and {n_right}", link.0, link.1)]
    Link {
        /// The left and the right word.
        link: (usize, usize),
        /// Left words of the batch.
        n_left: usize,
        /// Right words of the batch.
        n_right: usize,
    },
}
