//! Transformer encoder: post-norm blocks over the sum of token, position and segment embeddings.
//!
//! Adapters that are put into it later are empty in a new encoder and then cost nothing.

mod adapter_set;
mod adapters;
mod attention;
mod embeddings;
mod layer;
mod options;
mod transformer;

pub use options::{ForwardOptions, SubnetworkMask, UnitDropout};
pub use transformer::{Encoder, EncoderOutput};
