//! Errors of a batch.

/// Numbers that a model cannot take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Slices whose lengths do not agree.
    #[error("{field}: expected {expected} elements, found {found}")]
    Length {
        /// Which slice.
        field: &'static str,
        /// Elements needed.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// A token outside the vocabulary.
    #[error("token id {id} in row {row}, column {column}: the embedding has {vocab_size} rows")]
    TokenId {
        /// The token.
        id: i32,
        /// Its sentence.
        row: usize,
        /// Its position.
        column: usize,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// More tokens than positions.
    #[error("sequence of {found} tokens: the model has {max} positions")]
    TooLong {
        /// Tokens of the longest sentence.
        found: usize,
        /// Tokens that the model can take.
        max: usize,
    },
}
