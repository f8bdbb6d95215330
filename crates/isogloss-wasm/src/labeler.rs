//! A model with a head, for predictions and for their evaluation.

use burn::tensor::Device;
use isogloss::Predictor;
use isogloss::text::LabelSet;

/// A predictor and its labels.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) predictor: Predictor,
    pub(crate) labels: LabelSet,
    pub(crate) device: Device,
}
