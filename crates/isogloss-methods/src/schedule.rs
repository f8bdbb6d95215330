//! Schedules: which parameters are trainable, and when (freezing, unfreezing); one file each.

mod fixed;
mod freeze;
mod fun;
mod gradual_unfreeze;
mod lpft;
mod rule;
mod scope;
mod unfreezing;

pub use fixed::FixedLayersConfig;
pub use freeze::FreezeConfig;
pub use fun::{Fun, FunConfig, FunEstimator};
pub use gradual_unfreeze::{GradualUnfreezeConfig, UnfreezeOrder};
pub use lpft::LpftConfig;
use rule::ScheduleMethod;
pub use rule::{Moment, Schedule, apply_schedules, unfreeze_all_trainable};
pub use scope::UnfreezeScope;
pub use unfreezing::{UnfreezeTiming, Unfreezing};

use crate::method::method_struct;

method_struct! {
    /// Schedules of a recipe; a parameter is trainable if all of them allow it.
    ScheduleConfig, methods dyn ScheduleMethod, table SCHEDULES;
    freeze: FreezeConfig,
    gradual_unfreeze: GradualUnfreezeConfig,
    lpft: LpftConfig,
    fun: FunConfig,
    fixed: FixedLayersConfig,
}

impl ScheduleConfig {
    /// Validation errors: the invalid fields and the reasons.
    pub fn faults(&self) -> Vec<(String, String)> {
        self.faults_of_methods()
    }

    /// Key of the first schedule that unfreezes the embeddings, which it cannot where adapters are
    /// trained.
    pub fn unfreezes_embeddings(&self) -> Option<&'static str> {
        let asked = [
            ("gradual_unfreeze", self.gradual_unfreeze.as_ref().is_some_and(|of| of.embeddings)),
            ("lpft", self.lpft.as_ref().is_some_and(|of| of.embeddings)),
            ("fixed", self.fixed.as_ref().is_some_and(|of| of.embeddings)),
        ];
        asked.into_iter().find(|(_, asked)| *asked).map(|(key, _)| key)
    }

    /// Prefixes of the parameters that are never trained.
    pub fn frozen(&self) -> &[String] {
        self.freeze.as_ref().map_or(&[], |freeze| &freeze.parameters)
    }

    /// First layer index of `fixed.layers` that is out of range for a model of `n_layers`.
    pub fn layer_beyond(&self, n_layers: usize) -> Option<usize> {
        let mut named = self.fixed.iter().flat_map(|fixed| &fixed.layers);
        named.find(|layer| **layer >= n_layers).copied()
    }

    /// Builds the configured schedules for a model of `n_layers`; `seed` is for random orders.
    ///
    /// With adapters, only the adapters and the head are trained, even if no layer schedule is
    /// configured.
    pub fn init(
        &self,
        n_layers: usize,
        scope: &UnfreezeScope,
        seed: u64,
    ) -> Vec<Box<dyn Schedule>> {
        let methods = self.methods().into_iter();
        let mut all: Vec<_> =
            methods.map(|method| method.schedule(n_layers, scope, seed)).collect();
        let names_layers = all.iter().any(|rule| rule.unfreeze_steps().is_some());
        if *scope != UnfreezeScope::Layers && !names_layers {
            let layers = FixedLayersConfig { layers: (0..n_layers).collect(), embeddings: false };
            all.push(Box::new(layers.init(n_layers, scope)));
        }
        all
    }
}

#[cfg(test)]
mod tests;
