//! Layers that encoder, adapters and heads are built of: dense layer, layer normalization, and the
//! dropout masks of a forward pass.

mod dense;
mod dropout;
mod layer_norm;

pub(crate) use dense::Dense;
pub(crate) use dropout::DropoutMasks;
pub(crate) use layer_norm::LayerNorm;
