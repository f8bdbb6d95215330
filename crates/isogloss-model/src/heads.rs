//! Task heads: what turns hidden states into logits.

pub(crate) mod classifier;
pub(crate) mod masked_lm;
pub(crate) mod parser;
pub(crate) mod projection;
mod scalar_mix;
