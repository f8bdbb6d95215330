//! Training progress of a run, as checkpoints store it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::loader::LanguageEpochsProgress;

/// Training progress of a run: step, best evaluation, and positions in the log and the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Optimizer steps done.
    pub(super) step: u64,
    /// The best evaluation so far.
    pub(super) best: Option<Best>,
    /// Length of the metrics log in bytes.
    pub(super) log_len: u64,
    /// Sum of the losses of each objective since the last log line.
    pub(super) loss_sums: Vec<f64>,
    /// Number of steps in those sums.
    pub(super) loss_n: u64,
    /// Positions in the unlabeled data: in the sentence pairs, in the blocks of monolingual text and
    /// in the texts of the task; earlier versions wrote the first two.
    pub(super) language_epochs: Vec<Option<LanguageEpochsProgress>>,
    /// Training time in seconds.
    pub(super) seconds: f64,
    /// The step at which each layer is unfrozen, by schedule of layers and by layer.
    pub(super) unfreeze_steps: Vec<Vec<Option<u64>>>,
}

/// The best evaluation of a run so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) step: u64,
    pub(super) score: f64,
}

impl Progress {
    /// Adds the loss of each objective in a step.
    pub(super) fn add_losses(&mut self, losses: &[f64]) {
        self.loss_sums.resize(losses.len(), 0.0);
        self.loss_sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
        self.loss_n += 1;
    }

    /// Mean loss of each objective since the last call; resets the sums.
    pub(super) fn take_mean_losses(&mut self) -> Vec<f64> {
        let n = std::mem::take(&mut self.loss_n) as f64;
        std::mem::take(&mut self.loss_sums).into_iter().map(|sum| sum / n).collect()
    }

    /// Fails if a run of `total_steps` steps cannot be at this step, because the data has changed.
    pub(super) fn check(&self, checkpoint: &Path, total_steps: u64) -> Result<(), RunError> {
        let is_scored = self.best.is_some();
        if self.step < total_steps || (self.step == total_steps && is_scored) {
            return Ok(());
        }
        let (path, step) = (checkpoint.join("state.json"), self.step);
        Err(RunError::StepBeyondRun { path, step, total_steps })
    }
}
