//! Adapter-only checkpoints: what was added to a model, without that model.

pub(crate) mod read;
pub(crate) mod write;
