//! Surgical fine-tuning (Lee et al. 2023): only the head and selected layers are trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Schedule, ScheduleMethod};
use super::scope::UnfreezeScope;
use super::unfreezing::Unfreezing;
use crate::method::{Method, MethodInfo, options};

/// Surgical fine-tuning: trains the head and selected layers, from the first step to the last.
///
/// Lee et al. 2023, arXiv:2210.11466.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedLayersConfig {
    /// Indices of the trained layers, from zero.
    pub layers: Vec<usize>,
    /// Whether the embeddings are trained too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub embeddings: bool,
}

impl Method for FixedLayersConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "fixed",
        title: "Fixed layers (surgical fine-tuning)",
        paper: "Lee et al. 2023, arXiv:2210.11466",
        formula: "these layers and the head learn, all others never do",
        needs: &[],
        file: file!(),
        required: &["layers"],
        example: || options(Self { layers: vec![0, 11], embeddings: false }),
    };
}

impl ScheduleMethod for FixedLayersConfig {
    fn schedule(&self, n_layers: usize, scope: &UnfreezeScope, _seed: u64) -> Box<dyn Schedule> {
        Box::new(self.init(n_layers, scope))
    }
}

impl FixedLayersConfig {
    /// Builds the schedule for a model of `n_layers`.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope) -> Unfreezing {
        let unfreeze_steps = (0..n_layers).map(|layer| self.layers.contains(&layer).then_some(0));
        Unfreezing {
            name: Self::INFO.key,
            unfreeze_steps: unfreeze_steps.collect(),
            embeddings_step: self.embeddings.then_some(0),
            scope: scope.clone(),
        }
    }
}
