//! The `[training]` table: epochs, batches, evaluation and checkpoints.

use isogloss_text::BatchOrder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FrozenRecipe, RecipeFaults};

/// The `[training]` table: epochs, batches, evaluation and checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingRecipe {
    /// Number of epochs.
    pub epochs: u64,
    /// Maximum number of optimizer steps, if the epochs have more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Batch size: examples of a mini-batch.
    pub batch_size: usize,
    /// Gradient accumulation: batches of one optimizer step.
    pub accumulate: u64,
    /// Batch order: how examples are grouped into batches.
    pub order: BatchOrder,
    /// Batch size in evaluation.
    pub evaluation_batch_size: usize,
    /// Optimizer steps between checkpoints; one is also made at the end of every epoch.
    pub checkpoint_every: u64,
    /// Optimizer steps between lines of the training log.
    pub log_every: u64,
    /// Zero-shot evaluation during training: examples of each other language's test split that are
    /// scored together with the development set, for monitoring only, never for model selection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_shot_eval_examples: Option<usize>,
    /// Model selection: by whose development sets the best model is chosen.
    #[serde(skip_serializing_if = "is_by_sources")]
    pub selection: ModelSelection,
    /// Frozen layers: dropout and activation cache of the layers below the lowest trained one,
    /// where a schedule unfreezes layers or adapters are trained; see [`FrozenRecipe`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FrozenRecipe>,
}

/// Model selection: by whose development sets the best model is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelSelection {
    /// By the mean over the source languages: zero-shot transfer, in which no labeled example of
    /// another language has a part.
    #[default]
    Sources,
    /// By the mean over all evaluation languages, as the published code of xTune does
    /// (Zheng et al. 2021): not zero-shot, because labeled examples of the target languages choose
    /// the model.
    AllLanguages,
}

/// Whether the selection is left out of a recipe's text.
fn is_by_sources(selection: &ModelSelection) -> bool {
    *selection == ModelSelection::Sources
}

impl Default for TrainingRecipe {
    fn default() -> Self {
        Self {
            epochs: 3,
            max_steps: None,
            batch_size: 32,
            accumulate: 1,
            order: BatchOrder::GroupedByLength,
            evaluation_batch_size: 64,
            checkpoint_every: 200,
            log_every: 10,
            zero_shot_eval_examples: None,
            selection: ModelSelection::Sources,
            frozen: None,
        }
    }
}

impl TrainingRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.at_least("training.epochs", self.epochs, 1);
        faults.at_least("training.batch_size", self.batch_size as u64, 1);
        faults.at_least("training.accumulate", self.accumulate, 1);
        faults.at_least("training.log_every", self.log_every, 1);
        faults.at_least("training.checkpoint_every", self.checkpoint_every, 1);
        let evaluation = self.evaluation_batch_size as u64;
        faults.at_least("training.evaluation_batch_size", evaluation, 1);
        if let Some(frozen) = &self.frozen {
            frozen.check(faults);
        }
        if let Some(n) = self.zero_shot_eval_examples {
            faults.at_least("training.zero_shot_eval_examples", n as u64, 1);
        }
        if let Some(max_steps) = self.max_steps {
            faults.at_least("training.max_steps", max_steps, 1);
        }
    }
}
