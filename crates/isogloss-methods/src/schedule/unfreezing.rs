//! Scheduled unfreezing: the head learns from the start, the layers' adapters one after the other.
//!
//! Where a layer has adapters or low-rank changes, those are what opens and the pretrained weights
//! stay as they are; see [`UnfreezeScope`]. A pass always goes through all layers.
//!
//! # Source
//! Liu et al. 2024, FUN with Fisher, arXiv:2301.05487, algorithm 1; gradual unfreezing is Howard &
//! Ruder 2018, arXiv:1801.06146, §3.3, and linear probing first Kumar et al. 2022, arXiv:2202.10054.

use isogloss_kernels::uniform;
use isogloss_model::{ParamLocation, ParamPart};
use serde::{Deserialize, Serialize};

use super::{Moment, Schedule};

/// Which parameters of a layer open with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnfreezeScope {
    /// All, the pretrained ones too. Embeddings never open.
    #[default]
    Layers,
    /// Those of the adapter or the low-rank change of this name. Its invertible adapter opens with the
    /// first layer.
    Adapter(String),
}

impl UnfreezeScope {
    /// The layer that a parameter opens with; none if it never does.
    fn layer_of(&self, place: &ParamLocation<'_>) -> Option<usize> {
        match (self, place.part) {
            (Self::Layers, _) => place.layer,
            (Self::Adapter(name), ParamPart::Adapter(other) | ParamPart::Lora(other))
                if name == other =>
            {
                place.layer
            }
            (Self::Adapter(_), _) => None,
        }
    }

    /// Tells whether a parameter may change, given which layers are open.
    fn trainable(&self, path: &str, is_open: impl Fn(usize) -> bool) -> bool {
        match ParamLocation::of(path) {
            Some(ParamLocation { part: ParamPart::Head, .. }) => true,
            Some(ParamLocation { part: ParamPart::LmHead, .. }) => *self == Self::Layers,
            // Above the embeddings, it opens with the first layer.
            Some(ParamLocation { part: ParamPart::InvertibleAdapter(name), .. }) => {
                *self == Self::Adapter(name.to_owned()) && is_open(0)
            }
            Some(place) => self.layer_of(&place).is_some_and(is_open),
            None => false,
        }
    }
}

/// Whose steps: the paper's text, or the code that was published with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnfreezeTiming {
    /// The first layer opens at step 0, the next ones every k steps: 0, k, 2k, …
    #[default]
    Paper,
    /// The top layer is open from the start, whatever the order; the next ones open at k - 1,
    /// 2k - 1, …, and in top-down order one interval later, at 2k - 1, 3k - 1, …
    AuthorsCode,
}

impl UnfreezeTiming {
    /// The step at which the layer number `n` of an order opens; `delay` intervals are added in the
    /// authors' code.
    fn step(self, n: usize, every_steps: u64, delay: u64) -> u64 {
        let (n, every_steps) = (n as u64, every_steps.max(1));
        match self {
            Self::Paper => n.saturating_mul(every_steps),
            Self::AuthorsCode if n == 0 => 0,
            Self::AuthorsCode => (n + delay).saturating_mul(every_steps) - 1,
        }
    }
}

/// The order in which layers open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnfreezeOrder {
    /// From the layer below the head to the first.
    #[default]
    TopDown,
    /// From the first to the last: bad for transfer in the paper, and there for comparison.
    BottomUp,
    /// As the seed says.
    Random,
}

/// Opens layers one by one in an order that is known before training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradualUnfreezeConfig {
    /// Steps from one layer to the next: the paper's k.
    pub every_steps: u64,
    /// Which layer is next.
    #[serde(default)]
    pub order: UnfreezeOrder,
    /// When it is.
    #[serde(default)]
    pub timing: UnfreezeTiming,
}

impl GradualUnfreezeConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        no_interval(self.every_steps)
    }

    /// Lays the schedule out for a model of `n_layers`; `seed` draws the random order.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope, seed: u64) -> Unfreezing {
        let mut order: Vec<usize> = match self.order {
            UnfreezeOrder::BottomUp => (0..n_layers).collect(),
            UnfreezeOrder::TopDown | UnfreezeOrder::Random => (0..n_layers).rev().collect(),
        };
        if self.order == UnfreezeOrder::Random {
            shuffle(&mut order, seed);
        }
        if self.timing == UnfreezeTiming::AuthorsCode {
            // Stable: all others keep their order.
            order.sort_by_key(|layer| *layer + 1 != n_layers);
        }
        let delay = u64::from(self.order == UnfreezeOrder::TopDown);
        let mut opens_at = vec![None; n_layers];
        for (n, layer) in order.into_iter().enumerate() {
            opens_at[layer] = Some(self.timing.step(n, self.every_steps, delay));
        }
        Unfreezing { name: "gradual_unfreeze", opens_at, scope: scope.clone() }
    }
}

fn no_interval(every_steps: u64) -> Vec<(&'static str, String)> {
    let fault = ("every_steps", "expected at least 1, found 0".to_owned());
    (every_steps == 0).then_some(fault).into_iter().collect()
}

/// Fisher and Yates' shuffle.
fn shuffle(order: &mut [usize], seed: u64) {
    for last in (1..order.len()).rev() {
        order.swap(last, (uniform(seed, last as u64) * (last + 1) as f64) as usize);
    }
}

/// Trains the head alone, then all layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LpftConfig {
    /// Steps of the head alone: the paper's k. The authors' code takes one less.
    pub steps: u64,
    /// Whose steps.
    #[serde(default)]
    pub timing: UnfreezeTiming,
}

impl LpftConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let fault = ("steps", "expected at least 1, found 0".to_owned());
        (self.steps == 0).then_some(fault).into_iter().collect()
    }

    /// Lays the schedule out for a model of `n_layers`.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope) -> Unfreezing {
        let step = match self.timing {
            UnfreezeTiming::Paper => self.steps,
            UnfreezeTiming::AuthorsCode => self.steps.saturating_sub(1),
        };
        Unfreezing { name: "lpft", opens_at: vec![Some(step); n_layers], scope: scope.clone() }
    }
}

/// Trains the head and some layers, from the first step to the last. Also called surgical
/// fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedLayersConfig {
    /// The layers, from zero.
    pub layers: Vec<usize>,
}

impl FixedLayersConfig {
    /// Lays the schedule out for a model of `n_layers`.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope) -> Unfreezing {
        let opens_at = (0..n_layers).map(|layer| self.layers.contains(&layer).then_some(0));
        Unfreezing { name: "fixed", opens_at: opens_at.collect(), scope: scope.clone() }
    }
}

/// A schedule whose steps are all known.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfreezing {
    name: &'static str,
    opens_at: Vec<Option<u64>>,
    scope: UnfreezeScope,
}

impl Schedule for Unfreezing {
    fn name(&self) -> &'static str {
        self.name
    }

    fn trainable(&self, path: &str, moment: Moment) -> bool {
        self.scope.trainable(path, |layer| is_open(&self.opens_at, layer, moment))
    }

    fn opens_at(&self) -> Option<&[Option<u64>]> {
        Some(&self.opens_at)
    }
}

fn is_open(opens_at: &[Option<u64>], layer: usize, moment: Moment) -> bool {
    opens_at.get(layer).copied().flatten().is_some_and(|step| step <= moment.step)
}

/// Opens at each interval the frozen layer whose parameters have the largest Fisher information.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunConfig {
    /// Steps from one layer to the next: the paper's k.
    pub every_steps: u64,
    /// Batches that the traces are taken over; the authors' code takes 41.
    #[serde(default = "authors_batches")]
    pub n_batches: usize,
    /// When the layers open.
    #[serde(default)]
    pub timing: UnfreezeTiming,
}

fn authors_batches() -> usize {
    41
}

impl FunConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let fault = ("n_batches", "expected at least 1, found 0".to_owned());
        let no_batches = (self.n_batches == 0).then_some(fault);
        no_interval(self.every_steps).into_iter().chain(no_batches).collect()
    }

    /// Begins with a model of `n_layers`.
    pub fn init(&self, n_layers: usize, scope: &UnfreezeScope) -> Fun {
        let mut opens_at = vec![None; n_layers];
        if let (UnfreezeTiming::AuthorsCode, Some(top)) = (self.timing, opens_at.last_mut()) {
            *top = Some(0);
        }
        Fun { config: self.clone(), opens_at, scope: scope.clone() }
    }
}

/// FUN in the middle of training: it knows which layers are open, and asks for traces when the next
/// is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Fun {
    config: FunConfig,
    opens_at: Vec<Option<u64>>,
    scope: UnfreezeScope,
}

impl Schedule for Fun {
    fn name(&self) -> &'static str {
        "fun"
    }

    fn trainable(&self, path: &str, moment: Moment) -> bool {
        self.scope.trainable(path, |layer| is_open(&self.opens_at, layer, moment))
    }

    fn may_train(&self, path: &str) -> bool {
        self.scope.trainable(path, |_| true)
    }

    fn opens_at(&self) -> Option<&[Option<u64>]> {
        Some(&self.opens_at)
    }

    fn is_due(&self, step: u64) -> bool {
        let n_open = self.opens_at.iter().flatten().count();
        let FunConfig { every_steps, timing, .. } = self.config;
        n_open < self.opens_at.len() && timing.step(n_open, every_steps, 0) <= step
    }

    fn decides_later(&self) -> bool {
        self.opens_at.contains(&None)
    }

    /// Opens the frozen layer with the largest trace, the higher one of two that are equal; one that
    /// is not a number is the smallest.
    fn open(&mut self, traces: &[f64], step: u64) -> Option<usize> {
        let size = |trace: f64| if trace.is_nan() { f64::NEG_INFINITY } else { trace };
        let layers = traces.iter().copied().map(size).enumerate();
        let frozen = layers.filter(|(layer, _)| self.opens_at.get(*layer) == Some(&None));
        let (layer, _) = frozen.max_by(|a, b| a.1.total_cmp(&b.1))?;
        self.opens_at[layer] = Some(step);
        Some(layer)
    }

    fn resume(&mut self, opens_at: Vec<Option<u64>>) {
        self.opens_at = opens_at;
    }
}

#[cfg(test)]
mod tests;
