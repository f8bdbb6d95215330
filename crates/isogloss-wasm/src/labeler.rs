//! A model with a head, for predictions and for their evaluation.

use burn::tensor::Device;
use isogloss::text::LabelSet;
use isogloss::{LabeledTask, Predictor};

/// A predictor, its labels and its task.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) predictor: Predictor,
    pub(crate) labels: LabelSet,
    pub(crate) task: Box<dyn LabeledTask>,
    pub(crate) device: Device,
}
