//! The `[optimizer]` table: AdamW and the learning-rate schedule.

use isogloss_methods::{AdamWConfig, LearningRateSchedule, Rates};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[optimizer]` table: AdamW and its learning-rate schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerRecipe {
    /// Peak learning rate of the encoder.
    pub learning_rate: f64,
    /// Peak learning rate of the head, which follows the same schedule; that of the encoder by
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
    /// Learning-rate schedule after the warmup.
    pub learning_rate_schedule: LearningRateSchedule,
    /// Warmup: the share of all steps in which the learning rate grows to its peak.
    pub warmup_ratio: f64,
    /// AdamW: betas, epsilon, weight decay and gradient clipping.
    pub adamw: AdamWConfig,
}

impl Default for OptimizerRecipe {
    fn default() -> Self {
        Self {
            learning_rate: 5e-5,
            head_learning_rate: None,
            learning_rate_schedule: LearningRateSchedule::Linear,
            warmup_ratio: 0.1,
            adamw: AdamWConfig::default(),
        }
    }
}

impl OptimizerRecipe {
    /// The learning rates of encoder and head in a step in which the encoder's is `encoder`.
    pub(crate) fn rates(&self, encoder: f64) -> Rates {
        Rates::new(encoder, self.head_learning_rate.map(|head| encoder * head / self.learning_rate))
    }

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.positive("optimizer.learning_rate", self.learning_rate);
        if let Some(rate) = self.head_learning_rate {
            faults.positive("optimizer.head_learning_rate", rate);
        }
        faults.below_one("optimizer.warmup_ratio", self.warmup_ratio);
        for (index, beta) in self.adamw.betas.iter().enumerate() {
            faults.below_one(&format!("optimizer.adamw.betas.{index}"), *beta);
        }
        faults.positive("optimizer.adamw.epsilon", self.adamw.epsilon);
        if let Some(max) = self.adamw.max_grad_norm {
            faults.positive("optimizer.adamw.max_grad_norm", max);
        }
        faults.not_negative("optimizer.adamw.weight_decay", self.adamw.weight_decay);
    }
}
