//! Training objective, an entry of `[[objective]]`: a loss and its weight.

use isogloss_methods::{CrossEntropyConfig, ObjectiveConfig, RampUp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// Training objective, an entry of `[[objective]]`: a loss and its weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveRecipe {
    /// Loss weight: the factor of this loss in the sum of all objectives.
    #[serde(default = "one")]
    pub weight: f64,
    /// Ramp-up of the weight, for a loss that joins in the course of training: shares of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_up: Option<RampUp>,
    /// Prefixes of parameter paths that this loss does not change, such as `encoder.layers.0.`, while
    /// the other losses do (AlignFreeze during fine-tuning, Bakos et al. 2025). Losses with other
    /// prefixes have backward passes of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// The loss: `method.<name> = { … }`.
    pub method: ObjectiveConfig,
}

fn one() -> f64 {
    1.0
}

impl Default for ObjectiveRecipe {
    fn default() -> Self {
        let method = ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default());
        Self { weight: 1.0, ramp_up: None, freeze: Vec::new(), method }
    }
}

impl ObjectiveRecipe {
    /// Adds its validation errors; `entry` is `objective.<index>`.
    pub(super) fn check(&self, entry: &str, faults: &mut RecipeFaults<'_>) {
        faults.not_negative(&format!("{entry}.weight"), self.weight);
        if let Some(ramp_up) = &self.ramp_up {
            faults.add_fields(&format!("{entry}.ramp_up"), ramp_up.faults());
        }
        for (field, problem) in self.method.faults() {
            faults.add_message(&format!("{entry}.method"), format!("{field}: {problem}"));
        }
    }
}
