//! What is done with a finished model: predictions, measures of alignment and curvature, word alignment,
//! subnetworks, smaller vocabularies and weights.

pub mod alignment;
pub(crate) mod fisher;
pub(crate) mod merge;
pub(crate) mod predict;
pub(crate) mod subnetwork;
pub(crate) mod trim;
pub(crate) mod word_aligner;
