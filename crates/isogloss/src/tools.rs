//! Tools for finished models: inference, measures of alignment and loss curvature, word alignment,
//! subnetworks, vocabulary trimming, adapter merging and quantization.

pub mod alignment;
pub(crate) mod compress;
pub(crate) mod fisher;
pub(crate) mod merge;
mod model_folder;
pub(crate) mod predict;
pub(crate) mod state_check;
pub(crate) mod subnetwork;
pub(crate) mod trim;
pub(crate) mod word_aligner;
