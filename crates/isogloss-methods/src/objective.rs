//! Losses over a batch.

mod cross_entropy;

use burn::tensor::{Int, Tensor};
use isogloss_model::ModelOutput;
use serde::{Deserialize, Serialize};

pub use cross_entropy::{CrossEntropyConfig, IGNORE_INDEX};

/// What the trainer hands to every objective of a step.
#[derive(Clone, Debug)]
pub struct StepInput {
    /// The model's output on the batch as it is.
    pub output: ModelOutput,
    /// `[n]` with one entry a row of the logits; [`IGNORE_INDEX`] leaves a row out.
    pub targets: Option<Tensor<1, Int>>,
}

/// A loss.
pub trait Objective: Send {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// Computes the loss of a step.
    ///
    /// # Shapes
    /// - returns: `[1]`
    ///
    /// # Errors
    /// If the step lacks something that this objective needs.
    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError>;
}

/// Why an objective has no loss.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// The batch has no labels.
    #[error("objective {objective}: the batch has no labels")]
    MissingLabels {
        /// Its name.
        objective: &'static str,
    },
}

/// Any objective, as a recipe names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectiveConfig {
    /// See [`CrossEntropyConfig`].
    CrossEntropy(CrossEntropyConfig),
}

impl ObjectiveConfig {
    /// Builds the objective.
    pub fn init(&self) -> Box<dyn Objective> {
        match self {
            Self::CrossEntropy(config) => Box::new(config.init()),
        }
    }

    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::CrossEntropy(config) => config.faults(),
        }
    }
}
