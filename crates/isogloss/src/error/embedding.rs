//! Errors of embeddings and of the vectors that hold them.

use isogloss_model::InputError;

/// Error of embeddings, or of the vectors that hold them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// A number of values that is not a multiple of the vector width, or a width of 0.
    #[error("{n} numbers are not vectors of width {width}")]
    Width {
        /// The number of values.
        n: usize,
        /// The width of a vector.
        width: usize,
    },
    /// A value that is not finite (NaN or infinity).
    #[error("number {index} of vector {vector} is {value}")]
    NotFinite {
        /// The vector's index.
        vector: usize,
        /// The index of the value in the vector.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A layer that the model does not have.
    #[error("no layer {layer}: the model has layers 0 (the embeddings) to {last}")]
    NoLayer {
        /// The layer.
        layer: usize,
        /// The last layer of the model.
        last: usize,
    },
    /// A token that a text does not have.
    #[error("text {text} has no token {token}")]
    NoToken {
        /// The text's index.
        text: usize,
        /// The token's index.
        token: usize,
    },
    /// A batch that is not a valid input of the model.
    #[error(transparent)]
    Input(#[from] InputError),
    /// No sentences to compare.
    #[error("no sentences to compare")]
    NoSentences,
}
