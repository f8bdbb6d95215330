//! Scheduled unfreezing: the head is trained from the start, layers are unfrozen one after the
//! other.
//!
//! Shared by the schedules about layers. A forward pass always goes through all layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Moment, Schedule};
use super::scope::UnfreezeScope;

/// Unfreezing steps: as in the paper's text, or as in the code that was published with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnfreezeTiming {
    /// The first layer is unfrozen at step 0, the next ones every k steps: 0, k, 2k, …
    #[default]
    Paper,
    /// The top layer is unfrozen from the start, whatever the order; the next ones at steps k - 1,
    /// 2k - 1, …, and in top-down order one interval later, at 2k - 1, 3k - 1, …
    AuthorsCode,
}

impl UnfreezeTiming {
    /// Unfreezing step of layer number `n` of an order; `delay` intervals are added in the authors'
    /// code.
    pub(super) fn step(self, n: usize, every_steps: u64, delay: u64) -> u64 {
        let (n, every_steps) = (n as u64, every_steps.max(1));
        match self {
            Self::Paper => n.saturating_mul(every_steps),
            Self::AuthorsCode if n == 0 => 0,
            Self::AuthorsCode => (n + delay).saturating_mul(every_steps) - 1,
        }
    }
}

/// Unfreezing schedule whose steps are all known before training.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfreezing {
    pub(super) name: &'static str,
    pub(super) unfreeze_steps: Vec<Option<u64>>,
    /// Unfreezing step of the embeddings; `None` if they stay frozen.
    pub(super) embeddings_step: Option<u64>,
    pub(super) scope: UnfreezeScope,
}

impl Schedule for Unfreezing {
    fn name(&self) -> &'static str {
        self.name
    }

    fn trainable(&self, path: &str, moment: Moment) -> bool {
        if self.scope.is_embeddings(path) {
            return self.embeddings_step.is_some_and(|step| step <= moment.step);
        }
        self.scope.trainable(path, |layer| is_open(&self.unfreeze_steps, layer, moment))
    }

    fn embeddings_step(&self) -> Option<u64> {
        self.embeddings_step
    }

    fn unfreeze_steps(&self) -> Option<&[Option<u64>]> {
        Some(&self.unfreeze_steps)
    }
}

/// Whether a layer is unfrozen at this step.
pub(super) fn is_open(unfreeze_steps: &[Option<u64>], layer: usize, moment: Moment) -> bool {
    unfreeze_steps.get(layer).copied().flatten().is_some_and(|step| step <= moment.step)
}
