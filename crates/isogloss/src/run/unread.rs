//! Results of steps that are still on the device: losses and gradient norms, read together so that
//! a GPU need not wait for the host at every step.

use std::time::Duration;

use burn::tensor::Tensor;
use isogloss_methods::GradientNorm;

use crate::ground::device::DeviceError;
use crate::loader::BatchLanguages;
use crate::step::StepLosses;

/// A step that was taken, and its results on the device.
pub(super) struct UnreadStep {
    /// Optimizer steps done, with this one.
    pub(super) step: u64,
    pub(super) losses: StepLosses,
    pub(super) grad_norm: GradientNorm,
    pub(super) learning_rate: f64,
    /// Cosine similarity of the gradients of the task and of unlabeled text, where it is computed.
    pub(super) cosine: Option<f64>,
    /// Languages of the batches of unlabeled text.
    pub(super) languages: BatchLanguages,
}

/// Steps whose results were not read yet, with their tokens and time.
#[derive(Default)]
pub(super) struct UnreadSteps {
    pub(super) steps: Vec<UnreadStep>,
    pub(super) n_tokens: usize,
    pub(super) time: Duration,
}

impl UnreadSteps {
    pub(super) fn push(&mut self, step: UnreadStep) {
        self.steps.push(step);
    }

    /// Counts tokens and time for the throughput.
    pub(super) fn count(&mut self, n_tokens: usize, time: Duration) {
        self.n_tokens += n_tokens;
        self.time += time;
    }

    /// Reads all losses and norms from the device in one transfer.
    pub(super) fn values(&self) -> Result<Vec<f64>, DeviceError> {
        let tensors =
            self.steps.iter().flat_map(|step| step.losses.tensors().chain(step.grad_norm.tensor()));
        let tensors: Vec<_> = tensors.collect();
        if tensors.is_empty() {
            return Ok(Vec::new());
        }
        let data = Tensor::cat(tensors, 0).try_into_data();
        let data = data.map_err(|error| DeviceError::Lost { problem: error.to_string() })?;
        let values = data.convert::<f64>().try_into_vec::<f64>();
        Ok(values.expect("the numbers were just converted to this type"))
    }
}
