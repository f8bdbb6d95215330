//! Why there are no embeddings.

use isogloss_model::InputError;

/// Why there are no embeddings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// Numbers that are not whole vectors.
    #[error("{n} numbers are not vectors of width {width}")]
    Width {
        /// How many numbers there are.
        n: usize,
        /// The width of a vector.
        width: usize,
    },
    /// A number that is not finite.
    #[error("number {index} of vector {vector} is {value}")]
    NotFinite {
        /// The vector's index.
        vector: usize,
        /// The number's index in it.
        index: usize,
        /// The number.
        value: f32,
    },
    /// A layer gives numbers that are not finite.
    #[error("layer {layer} of the model: {source}")]
    Layer {
        /// The layer, 0 for the embeddings.
        layer: usize,
        /// What is wrong with its numbers.
        source: Box<EmbeddingError>,
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
    /// A batch that the model cannot take.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There is nothing to compare.
    #[error("no sentences to compare")]
    NoSentences,
}
