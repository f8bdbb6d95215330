//! Updates (MAML, Reptile, PCGrad, SAM, ASAM, TRAM, Fisher penalty): how the gradients of a step's batches
//! become the gradient for the optimizer; one file each.

mod asam;
mod first_order_maml;
mod fisher_penalty;
mod inner_loop;
mod pcgrad;
mod reptile;
mod rule;
mod sam;
mod tram;

pub use asam::AsamConfig;
pub use first_order_maml::FirstOrderMamlConfig;
pub use fisher_penalty::FisherStepConfig;
pub use inner_loop::sgd_step;
pub use pcgrad::PcGradConfig;
pub use reptile::ReptileConfig;
pub use rule::{GradientSource, Plain, Update};
use rule::{UpdateMethod, UpdatePlace};
pub use sam::SamConfig;
use sam::SharpnessAware;
pub use tram::{TramConfig, TrustRegion};

use crate::method::method_struct;

method_struct! {
    /// Updates of a recipe, which nest: one computes the gradient of a step, of which one may be
    /// sharpness-aware, and a penalty is added.
    UpdateConfig, methods dyn UpdateMethod, table UPDATES;
    first_order_maml: FirstOrderMamlConfig,
    reptile: ReptileConfig,
    pcgrad: PcGradConfig,
    sam: SamConfig,
    asam: AsamConfig,
    tram: TramConfig,
    fisher_penalty: FisherStepConfig,
}

impl UpdateConfig {
    /// Builds the update.
    pub fn init<E: 'static>(&self) -> Box<dyn Update<E>> {
        let mut update: Box<dyn Update<E>> =
            match (&self.first_order_maml, &self.reptile, &self.pcgrad) {
                (Some(config), ..) => Box::new(config.clone()),
                (_, Some(config), _) => Box::new(config.clone()),
                (.., Some(config)) => Box::new(*config),
                _ => Box::new(Plain),
            };
        if let Some(ascent) = self.sam.clone() {
            update = Box::new(SharpnessAware { ascent, inner: update });
        }
        if let Some(ascent) = self.asam.clone() {
            update = Box::new(SharpnessAware { ascent, inner: update });
        }
        if let Some(config) = self.tram.clone() {
            update = Box::new(SharpnessAware { ascent: config.init(), inner: update });
        }
        if let Some(config) = &self.fisher_penalty {
            update = Box::new(config.init(update));
        }
        update
    }

    /// Validation errors: the invalid fields and the reasons.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        for (place, does) in [
            (UpdatePlace::Gradient, "makes the gradient of a step already"),
            (UpdatePlace::Ascent, "takes the gradient elsewhere already"),
        ] {
            let methods = self.methods().into_iter().filter(|method| method.place() == place);
            let mut keys = methods.map(|method| method.key());
            let first = keys.next().unwrap_or_default();
            faults.extend(
                keys.map(|key| (key.to_owned(), format!("{first} {does}: name one of the two"))),
            );
        }
        faults.extend(self.faults_of_methods());
        faults
    }

    /// Batches of a meta-learning task: how many consecutive batches must be of one language.
    pub fn batches_of_task(&self) -> usize {
        let methods = self.methods().into_iter();
        methods.map(|method| method.batches_of_task()).find(|n| *n > 1).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests;
