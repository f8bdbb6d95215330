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
    /// Mean since the last log line of the total loss.
    #[serde(default)]
    pub(super) total_loss: LossMean,
    /// Mean since the last log line of the loss of each objective.
    #[serde(default)]
    pub(super) losses: Vec<LossMean>,
    /// Positions in the unlabeled data: in the sentence pairs, in the blocks of monolingual text and
    /// in the texts of the task; earlier versions wrote the first two.
    pub(super) language_epochs: Vec<Option<LanguageEpochsProgress>>,
    /// Training time in seconds.
    pub(super) seconds: f64,
    /// The step at which each layer is unfrozen, by schedule of layers and by layer.
    pub(super) unfreeze_steps: Vec<Vec<Option<u64>>>,
}

/// Mean of a loss over steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LossMean {
    sum: f64,
    n: u64,
}

impl LossMean {
    fn add(&mut self, loss: f64) {
        *self = Self { sum: self.sum + loss, n: self.n + 1 };
    }

    /// The mean; `None` without a step.
    pub(super) fn value(self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

/// The best evaluation of a run so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) step: u64,
    pub(super) score: f64,
}

impl Progress {
    /// Adds the losses of a step: their total, and that of each objective; `None` for one that has not
    /// joined the others.
    pub(super) fn add_losses(&mut self, total: f64, losses: &[Option<f64>]) {
        self.total_loss.add(total);
        self.losses.resize(losses.len(), LossMean::default());
        for (mean, loss) in self.losses.iter_mut().zip(losses) {
            loss.iter().for_each(|loss| mean.add(*loss));
        }
    }

    /// Means of the total loss and of each objective's since the last call; resets them.
    pub(super) fn take_mean_losses(&mut self) -> (LossMean, Vec<LossMean>) {
        (std::mem::take(&mut self.total_loss), std::mem::take(&mut self.losses))
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
