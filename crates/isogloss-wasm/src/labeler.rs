//! What labels texts, for predictions and for their evaluation.

use burn::tensor::Device;
use isogloss::text::LabelSet;
use isogloss::{LabeledTask, Predictor};

/// A model with a head.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) predictor: Predictor,
    pub(crate) labels: LabelSet,
    pub(crate) task: Box<dyn LabeledTask>,
    pub(crate) device: Device,
}
