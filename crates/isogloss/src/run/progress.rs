//! Where a run is, as its checkpoints say.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::loader::LanguageEpochsProgress;

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Optimizer steps done.
    pub(super) step: u64,
    /// The best evaluation so far.
    pub(super) best: Option<Best>,
    /// Length of the log, in bytes.
    pub(super) log_len: u64,
    /// Sums of the objectives' losses since the last line of the log.
    pub(super) loss_sums: Vec<f64>,
    /// Steps of those sums.
    pub(super) loss_n: u64,
    /// Which pairs and which blocks of text come next.
    pub(super) language_epochs: [Option<LanguageEpochsProgress>; 2],
    /// Time that the steps took.
    pub(super) seconds: f64,
    /// By schedule about layers, and by layer: the step at which it opened.
    pub(super) opens_at: Vec<Vec<Option<u64>>>,
}

/// The best evaluation of a run so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) step: u64,
    pub(super) score: f64,
}

impl Progress {
    /// Adds the objectives' losses of a step.
    pub(super) fn add_losses(&mut self, losses: &[f64]) {
        self.loss_sums.resize(losses.len(), 0.0);
        self.loss_sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
        self.loss_n += 1;
    }

    /// The means since the last call.
    pub(super) fn take_mean_losses(&mut self) -> Vec<f64> {
        let n = std::mem::take(&mut self.loss_n) as f64;
        std::mem::take(&mut self.loss_sums).into_iter().map(|sum| sum / n).collect()
    }

    /// Fails if this is no state of a run of so many steps: the data has changed since.
    pub(super) fn check(&self, checkpoint: &Path, total_steps: u64) -> Result<(), RunError> {
        let is_scored = self.best.is_some();
        if self.step < total_steps || (self.step == total_steps && is_scored) {
            return Ok(());
        }
        let (path, step) = (checkpoint.join("state.json"), self.step);
        Err(RunError::StepBeyondRun { path, step, total_steps })
    }
}
