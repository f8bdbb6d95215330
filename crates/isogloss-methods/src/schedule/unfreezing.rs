//! Scheduled unfreezing: the head learns from the start, the layers' adapters one after the other.
//!
//! Where a layer has adapters or low-rank changes, those are what opens and the pretrained weights
//! stay as they are; see [`UnfreezeScope`]. A pass always goes through all layers.
//!
//! # Source
//! Liu et al. 2024, FUN with Fisher, arXiv:2301.05487, algorithm 1; gradual unfreezing is Howard &
//! Ruder 2018, arXiv:1801.06146, §3.3, and linear probing first Kumar et al. 2022, arXiv:2202.10054.

use isogloss_kernels::uniform;
use isogloss_model::{ParamPart, ParamPlace};
use serde::{Deserialize, Serialize};

use super::{Moment, Schedule};

/// Which parameters of a layer open with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnfreezeScope {
    /// All, the pretrained ones too. Embeddings and invertible adapters never open.
    #[default]
    Layers,
    /// Those of the adapter or the low-rank change of this name.
    Adapter(String),
}

impl UnfreezeScope {
    /// The layer that a parameter opens with; none if it never does.
    fn layer_of(&self, place: &ParamPlace<'_>) -> Option<usize> {
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
        match ParamPlace::of(path) {
            Some(ParamPlace { part: ParamPart::Head, .. }) => true,
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
            Self::Paper => n * every_steps,
            Self::AuthorsCode if n == 0 => 0,
            Self::AuthorsCode => (n + delay) * every_steps - 1,
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
    /// What opens with a layer.
    #[serde(default)]
    pub scope: UnfreezeScope,
    /// Draws the random order.
    #[serde(default)]
    pub seed: u64,
}

impl GradualUnfreezeConfig {
    /// Lays the schedule out for a model of `n_layers`.
    pub fn init(&self, n_layers: usize) -> Unfreezing {
        let mut order: Vec<usize> = match self.order {
            UnfreezeOrder::BottomUp => (0..n_layers).collect(),
            UnfreezeOrder::TopDown | UnfreezeOrder::Random => (0..n_layers).rev().collect(),
        };
        if self.order == UnfreezeOrder::Random {
            shuffle(&mut order, self.seed);
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
        Unfreezing { name: "gradual_unfreeze", opens_at, scope: self.scope.clone() }
    }
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
    /// What opens with a layer.
    #[serde(default)]
    pub scope: UnfreezeScope,
}

impl LpftConfig {
    /// Lays the schedule out for a model of `n_layers`.
    pub fn init(&self, n_layers: usize) -> Unfreezing {
        let step = match self.timing {
            UnfreezeTiming::Paper => self.steps,
            UnfreezeTiming::AuthorsCode => self.steps.saturating_sub(1),
        };
        Unfreezing { name: "lpft", opens_at: vec![Some(step); n_layers], scope: self.scope.clone() }
    }
}

/// Trains the head and some layers, from the first step to the last. Also called surgical
/// fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedLayersConfig {
    /// The layers, from zero.
    pub layers: Vec<usize>,
    /// What of a layer is trained.
    #[serde(default)]
    pub scope: UnfreezeScope,
}

impl FixedLayersConfig {
    /// Lays the schedule out for a model of `n_layers`.
    pub fn init(&self, n_layers: usize) -> Unfreezing {
        let opens_at = (0..n_layers).map(|layer| self.layers.contains(&layer).then_some(0));
        Unfreezing { name: "fixed", opens_at: opens_at.collect(), scope: self.scope.clone() }
    }
}

/// A schedule whose steps are all known.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfreezing {
    name: &'static str,
    opens_at: Vec<Option<u64>>,
    scope: UnfreezeScope,
}

impl Unfreezing {
    /// By layer: the step from which it learns, counted from 0; none for never.
    pub fn opens_at(&self) -> &[Option<u64>] {
        &self.opens_at
    }
}

impl Schedule for Unfreezing {
    fn name(&self) -> &'static str {
        self.name
    }

    fn trainable(&self, path: &str, moment: Moment) -> bool {
        self.scope.trainable(path, |layer| is_open(&self.opens_at, layer, moment))
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
    /// When the layers open.
    #[serde(default)]
    pub timing: UnfreezeTiming,
    /// What opens with a layer.
    #[serde(default)]
    pub scope: UnfreezeScope,
}

impl FunConfig {
    /// Begins with a model of `n_layers`.
    pub fn init(&self, n_layers: usize) -> Fun {
        let mut opens_at = vec![None; n_layers];
        if let (UnfreezeTiming::AuthorsCode, Some(top)) = (self.timing, opens_at.last_mut()) {
            *top = Some(0);
        }
        self.resume(opens_at)
    }

    /// Goes on where [`Fun::opens_at`] was.
    pub fn resume(&self, opens_at: Vec<Option<u64>>) -> Fun {
        Fun { config: self.clone(), opens_at }
    }
}

/// FUN in the middle of training: it knows which layers are open, and asks for traces when the next
/// is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Fun {
    config: FunConfig,
    opens_at: Vec<Option<u64>>,
}

impl Fun {
    /// Tells whether a layer is to open before the update of `step`: [`open`](Self::open) then wants
    /// the traces.
    pub fn is_due(&self, step: u64) -> bool {
        let n_open = self.opens_at.iter().flatten().count();
        let FunConfig { every_steps, timing, .. } = self.config;
        n_open < self.opens_at.len() && timing.step(n_open, every_steps, 0) <= step
    }

    /// Opens the frozen layer with the largest trace, the higher one of two that are equal, and
    /// returns it; none if all are open.
    ///
    /// `traces[n]` is the trace of the Fisher information of what opens with layer `n`; those of open
    /// layers are not looked at.
    pub fn open(&mut self, traces: &[f64], step: u64) -> Option<usize> {
        let frozen = traces
            .iter()
            .enumerate()
            .filter(|(layer, trace)| self.opens_at.get(*layer) == Some(&None) && !trace.is_nan());
        let (layer, _) = frozen.max_by(|a, b| a.1.total_cmp(b.1))?;
        self.opens_at[layer] = Some(step);
        Some(layer)
    }

    /// By layer: the step at which it opened; none while it is frozen.
    pub fn opens_at(&self) -> &[Option<u64>] {
        &self.opens_at
    }
}

impl Schedule for Fun {
    fn name(&self) -> &'static str {
        "fun"
    }

    fn trainable(&self, path: &str, moment: Moment) -> bool {
        self.config.scope.trainable(path, |layer| is_open(&self.opens_at, layer, moment))
    }
}

#[cfg(test)]
mod tests;
