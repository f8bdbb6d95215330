//! FUN (Liu et al. 2024): unfreezing by Fisher information.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Moment, Schedule, ScheduleMethod};
use super::scope::UnfreezeScope;
use super::unfreezing::{UnfreezeTiming, is_open};
use crate::faults::{Faults, at_least_one};
use crate::method::{DataNeed, Method, MethodInfo, options};

/// FUN: at each interval, unfreezes the frozen layer whose parameters have the largest Fisher
/// information.
///
/// # Source
/// Liu et al. 2024, FUN with Fisher, arXiv:2301.05487, algorithm 1. Traces are measured without
/// dropout, as in the authors' code, and with `[subnetworks]` through that of each example's
/// language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunConfig {
    /// Steps from one layer to the next: the paper's k.
    pub every_steps: u64,
    /// Batches that the Fisher traces are estimated on; the authors' code uses 41.
    #[serde(default = "authors_batches")]
    pub n_batches: usize,
    /// Unfreezing steps: those of the paper or of the authors' code.
    #[serde(default)]
    pub timing: UnfreezeTiming,
    /// Estimator of the traces: at sampled labels, as in the paper, or at the most probable ones,
    /// as in the authors' code.
    #[serde(default)]
    pub estimator: FunEstimator,
}

/// Estimator of the Fisher traces that layers are chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunEstimator {
    /// Labels sampled from the model: `Σ ‖n ḡ‖² / Σ n` over batches of n rows, with the gradient ḡ of
    /// the mean of `-log p(label)`. It is an unbiased estimate of the trace of one row.
    #[default]
    Sampled,
    /// The most probable labels: `Σ ‖ḡ‖² / n` over batches of n texts, as the authors' code computes
    /// it. It is no estimate of the trace, and only the order of the layers counts.
    Argmax,
}

fn authors_batches() -> usize {
    41
}

impl Method for FunConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "fun",
        title: "FUN: unfreezing by the Fisher information",
        paper: "Liu et al. 2024, arXiv:2301.05487",
        formula: "every k steps the frozen layer with the largest tr F is unfrozen",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &["every_steps"],
        example: || {
            let (timing, estimator) = (UnfreezeTiming::default(), FunEstimator::default());
            options(Self { every_steps: 50, n_batches: authors_batches(), timing, estimator })
        },
    };

    fn faults(&self) -> Faults {
        let n_batches = at_least_one("n_batches", self.n_batches as u64);
        at_least_one("every_steps", self.every_steps).into_iter().chain(n_batches).collect()
    }
}

impl ScheduleMethod for FunConfig {
    fn schedule(&self, n_layers: usize, scope: &UnfreezeScope, _seed: u64) -> Box<dyn Schedule> {
        Box::new(self.init(n_layers, scope))
    }
}

impl FunConfig {
    /// Initial schedule for a model of `n_layers`.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope) -> Fun {
        let mut unfreeze_steps = vec![None; n_layers];
        if let (UnfreezeTiming::AuthorsCode, Some(top)) = (self.timing, unfreeze_steps.last_mut()) {
            *top = Some(0);
        }
        Fun { config: self.clone(), unfreeze_steps, scope: scope.clone() }
    }
}

/// FUN schedule during training: it stores which layers are unfrozen, and needs Fisher traces when
/// the next layer is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Fun {
    config: FunConfig,
    unfreeze_steps: Vec<Option<u64>>,
    scope: UnfreezeScope,
}

impl Schedule for Fun {
    fn name(&self) -> &'static str {
        "fun"
    }

    fn trainable(&self, path: &str, moment: Moment) -> bool {
        self.scope.trainable(path, |layer| is_open(&self.unfreeze_steps, layer, moment))
    }

    fn may_train(&self, path: &str) -> bool {
        self.scope.trainable(path, |_| true)
    }

    fn unfreeze_steps(&self) -> Option<&[Option<u64>]> {
        Some(&self.unfreeze_steps)
    }

    fn is_due(&self, step: u64) -> bool {
        let n_open = self.unfreeze_steps.iter().flatten().count();
        let FunConfig { every_steps, timing, .. } = self.config;
        n_open < self.unfreeze_steps.len() && timing.step(n_open, every_steps, 0) <= step
    }

    fn is_adaptive(&self) -> bool {
        self.unfreeze_steps.contains(&None)
    }

    /// Unfreezes the frozen layer with the largest trace; of equal ones, the higher layer; NaN
    /// counts as the smallest.
    fn unfreeze(&mut self, traces: &[f64], step: u64) -> Option<usize> {
        let size = |trace: f64| if trace.is_nan() { f64::NEG_INFINITY } else { trace };
        let layers = traces.iter().copied().map(size).enumerate();
        let frozen = layers.filter(|(layer, _)| self.unfreeze_steps.get(*layer) == Some(&None));
        let (layer, _) = frozen.max_by(|a, b| a.1.total_cmp(&b.1))?;
        self.unfreeze_steps[layer] = Some(step);
        Some(layer)
    }

    fn resume(&mut self, unfreeze_steps: Vec<Option<u64>>) {
        self.unfreeze_steps = unfreeze_steps;
    }
}
