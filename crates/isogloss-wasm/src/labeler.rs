//! A model with a head, for prediction and evaluation.

use burn::tensor::Device;
use isogloss::Predictor;

/// Predictor with its device.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) predictor: Predictor,
    pub(crate) device: Device,
}
