//! Errors of objectives: missing inputs of a step, invalid word alignments, mismatched shapes.

use std::ops::Range;

use crate::view::View;

/// Error of an objective: why it cannot compute its loss.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// The batch has no labels.
    #[error("objective {objective}: the batch has no labels")]
    MissingLabels {
        /// Name of the objective.
        objective: &'static str,
    },
    /// Missing view: the forward pass was not run.
    #[error("objective {objective}: the step has no view {view:?}")]
    MissingView {
        /// Name of the objective.
        objective: &'static str,
        /// The missing view.
        view: View,
    },
    /// Missing subwords: the tokens of a view's words, which the loss pools, are unknown.
    #[error("objective {objective}: the subwords of a view's words are missing")]
    MissingSubwords {
        /// Name of the objective.
        objective: &'static str,
    },
    /// Missing state: the objective's [`MethodState`](crate::MethodState) has no rows, such as keys
    /// of a negative queue.
    #[error("objective {objective}: its state keeps no rows yet")]
    MissingNegativeQueue {
        /// Name of the objective.
        objective: &'static str,
    },
    /// Alignment error: the sentence pairs of the step give no loss.
    #[error("objective {objective}: {source}")]
    Alignment {
        /// Name of the objective.
        objective: &'static str,
        /// The cause.
        source: AlignmentError,
    },
}

impl ObjectiveError {
    /// Wraps an [`AlignmentError`] with the name of the objective.
    pub(crate) fn alignment(objective: &'static str) -> impl Fn(AlignmentError) -> Self {
        move |source| Self::Alignment { objective, source }
    }
}

/// Error of a loss over sentence pairs: missing word alignments, wrong layers, sizes or indices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignmentError {
    /// No word alignment in the batch. Such a batch is to be counted and skipped.
    #[error("the batch has no aligned words")]
    NoLinks,
    /// The negative queue was read before it was full.
    #[error("the queue of negatives has {found} of {expected} keys: fill it before the first step")]
    QueueNotFull {
        /// Capacity of the queue.
        expected: usize,
        /// Number of keys in it.
        found: usize,
    },
    /// The saved state of a negative queue does not fit the configured capacity.
    #[error(
        "the queue of negatives: {found} keys and next {next} do not fit a capacity of {capacity}"
    )]
    QueueState {
        /// Configured capacity.
        capacity: usize,
        /// Number of saved keys.
        found: usize,
        /// Saved index of the next key.
        next: usize,
    },
    /// Layer index out of range.
    #[error("layer {layer}: the last layer of the model is {last}")]
    NoLayer {
        /// Requested layer, where 0 is the embeddings' output.
        layer: usize,
        /// Index of the last layer.
        last: usize,
    },
    /// All attention heads of the layer are pruned.
    #[error("layer {layer}: it has no heads any more")]
    NoHeads {
        /// Requested layer, where 1 is the first block.
        layer: usize,
    },
    /// Size mismatch of student and teacher, such as of hidden sizes or numbers of heads.
    #[error("{student} {what} in the student, {teacher} in the teacher: they must be as many")]
    Width {
        /// What is counted: `heads` or `dimensions`.
        what: &'static str,
        /// Number in the student.
        student: usize,
        /// Number in the teacher.
        teacher: usize,
    },
    /// Batch size mismatch: the words and the hidden states are of different batches.
    #[error("{side} words: expected {expected} sentences, found {found}")]
    Sentences {
        /// `left` or `right`.
        side: &'static str,
        /// Batch size of the hidden states.
        expected: usize,
        /// Number of sentences whose words are given.
        found: usize,
    },
    /// Token range of a word out of bounds.
    #[error(
        "{side} sentence {sentence}, word {word}: expected tokens within 0..{seq_len}, found {tokens:?}"
    )]
    Tokens {
        /// `left` or `right`.
        side: &'static str,
        /// Index of the sentence in the batch.
        sentence: usize,
        /// Index of the word in the sentence.
        word: usize,
        /// Token range of the word.
        tokens: Range<usize>,
        /// Sequence length: tokens of a row, padding included.
        seq_len: usize,
    },
    /// Word alignment link out of bounds.
    #[error("link {}-{}: expected words below {n_left} and {n_right}", link.0, link.1)]
    Link {
        /// Indices of the left and the right word.
        link: (usize, usize),
        /// Number of left words in the batch.
        n_left: usize,
        /// Number of right words in the batch.
        n_right: usize,
    },
}
