//! What is done with a finished model: predictions, measures of alignment and curvature, word alignment,
//! subnetworks, smaller vocabularies and weights.

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
