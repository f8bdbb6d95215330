//! A model with a head, for prediction and evaluation.

use burn::tensor::Device;
use isogloss::Predictor;
use isogloss::text::LabelSet;

/// Predictor with its labels and its device.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) predictor: Predictor,
    pub(crate) labels: LabelSet,
    pub(crate) device: Device,
}
