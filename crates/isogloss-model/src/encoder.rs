//! Transformer encoder (BERT): post-norm blocks over the sum of token, position and segment
//! embeddings.
//!
//! A new encoder has no adapters; they can be added later and cost nothing until then.

mod adapter_set;
mod adapters;
mod attention;
mod embeddings;
mod layer;
mod options;
mod transformer;

pub use options::{FeatureCentring, ForwardOptions, SubnetworkMask, UnitDropout};
pub use transformer::{Encoder, EncoderOutput};
