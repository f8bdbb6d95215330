//! Model input errors.

/// Model input error: a batch has inconsistent lengths, an invalid token ID or too many tokens.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Slices of different lengths.
    #[error("{field}: expected {expected} elements, found {found}")]
    Length {
        /// Name of the slice.
        field: &'static str,
        /// Expected number of elements.
        expected: usize,
        /// Number of elements found.
        found: usize,
    },
    /// Token ID out of the vocabulary.
    #[error("token id {id} in row {row}, column {column}: the embedding has {vocab_size} rows")]
    TokenId {
        /// Token ID.
        id: i32,
        /// Row in the batch.
        row: usize,
        /// Position in the row.
        column: usize,
        /// Vocabulary size.
        vocab_size: usize,
    },
    /// Sequence longer than the model's position embeddings.
    #[error("sequence of {found} tokens: the model has {max} positions")]
    TooLong {
        /// Sequence length of the batch.
        found: usize,
        /// Maximum sequence length of the model.
        max: usize,
    },
}
