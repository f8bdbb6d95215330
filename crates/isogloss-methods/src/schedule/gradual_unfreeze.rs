//! Gradual unfreezing (ULMFiT, Howard & Ruder 2018): layers are unfrozen one by one in an order
//! that is known before training.

use isogloss_kernels::uniform;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Schedule, ScheduleMethod};
use super::scope::UnfreezeScope;
use super::unfreezing::{UnfreezeTiming, Unfreezing};
use crate::faults::{Faults, at_least_one};
use crate::method::{Method, MethodInfo, options};

/// Gradual unfreezing: unfreezes layers one by one in an order that is known before training.
///
/// # Source
/// Howard & Ruder 2018, arXiv:1801.06146, §3.3; with adapters, Liu et al. 2024, arXiv:2301.05487.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GradualUnfreezeConfig {
    /// Steps from one layer to the next: the paper's k.
    pub every_steps: u64,
    /// Order in which layers are unfrozen.
    #[serde(default)]
    pub order: UnfreezeOrder,
    /// Unfreezing steps: those of the paper or of the authors' code.
    #[serde(default)]
    pub timing: UnfreezeTiming,
    /// Whether the embeddings are unfrozen at last, one interval after the last layer, as in ULMFiT.
    /// Without it they stay frozen, as in the code of Liu et al.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub embeddings: bool,
}

/// Order in which layers are unfrozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnfreezeOrder {
    /// From the top layer, below the head, to the first.
    #[default]
    TopDown,
    /// From the first layer to the last: bad for transfer in the paper, and there for comparison.
    BottomUp,
    /// In a random order, which depends on the seed.
    Random,
}

impl Method for GradualUnfreezeConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "gradual_unfreeze",
        title: "Gradual unfreezing",
        paper: "Howard & Ruder 2018, arXiv:1801.06146; Liu et al. 2024, arXiv:2301.05487",
        formula: "layer number n of the order learns from step n k on",
        needs: &[],
        file: file!(),
        required: &["every_steps"],
        example: || {
            let (order, timing) = (UnfreezeOrder::default(), UnfreezeTiming::default());
            options(Self { every_steps: 100, order, timing, embeddings: false })
        },
    };

    fn faults(&self) -> Faults {
        at_least_one("every_steps", self.every_steps).into_iter().collect()
    }
}

impl ScheduleMethod for GradualUnfreezeConfig {
    fn schedule(&self, n_layers: usize, scope: &UnfreezeScope, seed: u64) -> Box<dyn Schedule> {
        Box::new(self.init(n_layers, scope, seed))
    }
}

impl GradualUnfreezeConfig {
    /// Builds the schedule for a model of `n_layers`; `seed` is for the random order.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope, seed: u64) -> Unfreezing {
        let mut order: Vec<usize> = match self.order {
            UnfreezeOrder::BottomUp => (0..n_layers).collect(),
            UnfreezeOrder::TopDown | UnfreezeOrder::Random => (0..n_layers).rev().collect(),
        };
        if self.order == UnfreezeOrder::Random {
            shuffle(&mut order, seed);
        }
        if self.timing == UnfreezeTiming::AuthorsCode {
            // A stable sort: only the top layer moves, to the front; all others keep their order.
            order.sort_by_key(|layer| *layer + 1 != n_layers);
        }
        let delay = u64::from(self.order == UnfreezeOrder::TopDown);
        let mut unfreeze_steps = vec![None; n_layers];
        for (n, layer) in order.into_iter().enumerate() {
            unfreeze_steps[layer] = Some(self.timing.step(n, self.every_steps, delay));
        }
        let last = self.timing.step(n_layers, self.every_steps, delay);
        Unfreezing {
            name: Self::INFO.key,
            unfreeze_steps,
            embeddings_step: self.embeddings.then_some(last),
            scope: scope.clone(),
        }
    }
}

/// Fisher–Yates shuffle.
fn shuffle(order: &mut [usize], seed: u64) {
    for last in (1..order.len()).rev() {
        order.swap(last, (uniform(seed, last as u64) * (last + 1) as f64) as usize);
    }
}
