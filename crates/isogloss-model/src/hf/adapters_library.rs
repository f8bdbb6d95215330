//! Folders of the `adapters` library: one bottleneck adapter each.

pub(crate) mod read;
pub(crate) mod write;
