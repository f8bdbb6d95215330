//! Schedules: which parameters may change, and when; one file each.

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
pub use fun::{Fun, FunConfig};
pub use gradual_unfreeze::{GradualUnfreezeConfig, UnfreezeOrder};
pub use lpft::LpftConfig;
use rule::ScheduleMethod;
pub use rule::{Moment, Schedule, apply_schedules, mark_all_that_may_train};
pub use scope::UnfreezeScope;
pub use unfreezing::{UnfreezeTiming, Unfreezing};

use crate::method::method_struct;

method_struct! {
    /// Any schedules, as a recipe names them; a parameter changes if all of them let it.
    ScheduleConfig, methods dyn ScheduleMethod, table SCHEDULES;
    freeze: FreezeConfig,
    gradual_unfreeze: GradualUnfreezeConfig,
    lpft: LpftConfig,
    fun: FunConfig,
    fixed: FixedLayersConfig,
}

impl ScheduleConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(String, String)> {
        self.faults_of_methods()
    }

    /// The first layer of `fixed.layers` that a model of `n_layers` does not have.
    pub fn layer_beyond(&self, n_layers: usize) -> Option<usize> {
        let mut named = self.fixed.iter().flat_map(|fixed| &fixed.layers);
        named.find(|layer| **layer >= n_layers).copied()
    }

    /// Builds the schedules that are named, for a model of `n_layers`; `seed` draws random orders.
    ///
    /// Adapters are all that is trained besides the head, whether a rule about layers is named or not.
    pub fn init(
        &self,
        n_layers: usize,
        scope: &UnfreezeScope,
        seed: u64,
    ) -> Vec<Box<dyn Schedule>> {
        let methods = self.methods().into_iter();
        let mut all: Vec<_> =
            methods.map(|method| method.schedule(n_layers, scope, seed)).collect();
        let names_layers = all.iter().any(|rule| rule.opens_at().is_some());
        if *scope != UnfreezeScope::Layers && !names_layers {
            let layers = FixedLayersConfig { layers: (0..n_layers).collect() };
            all.push(Box::new(layers.init(n_layers, scope)));
        }
        all
    }
}

#[cfg(test)]
mod tests;
