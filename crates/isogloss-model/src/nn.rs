//! Neural network layers of the encoder, adapters and heads: dense layer, layer normalization and
//! dropout masks.

mod dense;
mod dropout;
mod layer_norm;

pub(crate) use dense::Dense;
pub(crate) use dropout::DropoutMasks;
pub(crate) use layer_norm::LayerNorm;
