//! The `[few_shot]` table: few-shot transfer, fine-tuning on a few examples of each target
//! language.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[few_shot]` table: few-shot transfer. Besides zero-shot, each language that is not trained
/// on is scored by a copy of the model that is fine-tuned on a few of its examples, by full-batch
/// gradient descent without dropout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FewShotRecipe {
    /// Support set size: examples of the language, sampled from its training split by the recipe's
    /// seed.
    pub n_support: usize,
    /// Gradient descent steps.
    pub steps: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Learning rate of the head; `learning_rate` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
}

impl Default for FewShotRecipe {
    /// The numbers of examples and steps are those of Langedijk et al. 2022, arXiv:2104.04736; the
    /// learning rate is the inner learning rate of first-order MAML here.
    fn default() -> Self {
        Self { n_support: 20, steps: 20, learning_rate: 1e-3, head_learning_rate: None }
    }
}

impl FewShotRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.at_least("few_shot.n_support", self.n_support as u64, 1);
        faults.at_least("few_shot.steps", self.steps as u64, 1);
        faults.positive("few_shot.learning_rate", self.learning_rate);
        if let Some(rate) = self.head_learning_rate {
            faults.positive("few_shot.head_learning_rate", rate);
        }
    }
}
