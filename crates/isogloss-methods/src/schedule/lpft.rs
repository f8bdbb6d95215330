//! LP-FT (Kumar et al. 2022): linear probing, then fine-tuning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Schedule, ScheduleMethod};
use super::scope::UnfreezeScope;
use super::unfreezing::{UnfreezeTiming, Unfreezing};
use crate::faults::{Faults, at_least_one};
use crate::method::{Method, MethodInfo, options};

/// LP-FT: trains the head alone (linear probing), then all layers (fine-tuning).
///
/// # Source
/// Kumar et al. 2022, arXiv:2202.10054, with the steps of Liu et al. 2024, arXiv:2301.05487.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LpftConfig {
    /// Steps of linear probing: the paper's k. The authors' code takes one less.
    pub steps: u64,
    /// Unfreezing step: that of the paper or of the authors' code.
    #[serde(default)]
    pub timing: UnfreezeTiming,
    /// Whether the embeddings are fine-tuned with the layers, as in the paper. Without it they stay
    /// frozen, as in the code of Liu et al.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub embeddings: bool,
}

impl Method for LpftConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "lpft",
        title: "Linear probing, then fine-tuning (LP-FT)",
        paper: "Kumar et al. 2022, arXiv:2202.10054",
        formula: "the head alone learns for k steps, then all layers do",
        needs: &[],
        file: file!(),
        required: &["steps"],
        example: || {
            options(Self { steps: 100, timing: UnfreezeTiming::default(), embeddings: false })
        },
    };

    fn faults(&self) -> Faults {
        at_least_one("steps", self.steps).into_iter().collect()
    }
}

impl ScheduleMethod for LpftConfig {
    fn schedule(&self, n_layers: usize, scope: &UnfreezeScope, _seed: u64) -> Box<dyn Schedule> {
        Box::new(self.init(n_layers, scope))
    }
}

impl LpftConfig {
    /// Builds the schedule for a model of `n_layers`.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope) -> Unfreezing {
        let step = match self.timing {
            UnfreezeTiming::Paper => self.steps,
            UnfreezeTiming::AuthorsCode => self.steps.saturating_sub(1),
        };
        Unfreezing {
            name: Self::INFO.key,
            unfreeze_steps: vec![Some(step); n_layers],
            embeddings_step: self.embeddings.then_some(step),
            scope: scope.clone(),
        }
    }
}
