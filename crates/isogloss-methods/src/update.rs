//! Updates (MAML, Reptile, PCGrad, SAM, Fisher penalty): how the gradients of a step's batches
//! become the gradient for the optimizer; one file each.

mod first_order_maml;
mod fisher_penalty;
mod inner_loop;
mod pcgrad;
mod reptile;
mod rule;
mod sam;

pub use first_order_maml::FirstOrderMamlConfig;
pub use fisher_penalty::FisherStepConfig;
pub use inner_loop::sgd_step;
pub use pcgrad::PcGradConfig;
pub use reptile::ReptileConfig;
use rule::UpdateMethod;
pub use rule::{GradientSource, Plain, Update};
pub use sam::SamConfig;

use crate::method::method_struct;

method_struct! {
    /// Updates of a recipe; at most one computes the gradient of a step, others add to it.
    UpdateConfig, methods dyn UpdateMethod, table UPDATES;
    first_order_maml: FirstOrderMamlConfig,
    reptile: ReptileConfig,
    pcgrad: PcGradConfig,
    sam: SamConfig,
    fisher_penalty: FisherStepConfig,
}

impl UpdateConfig {
    /// Builds the update.
    pub fn init<E: 'static>(&self) -> Box<dyn Update<E>> {
        let mut update: Box<dyn Update<E>> =
            match (&self.first_order_maml, &self.reptile, &self.pcgrad, &self.sam) {
                (Some(config), ..) => Box::new(config.clone()),
                (_, Some(config), ..) => Box::new(config.clone()),
                (_, _, Some(config), _) => Box::new(*config),
                (.., Some(config)) => Box::new(config.clone()),
                _ => Box::new(Plain),
            };
        if let Some(config) = &self.fisher_penalty {
            update = Box::new(config.init(update));
        }
        update
    }

    /// Validation errors: the invalid fields and the reasons.
    pub fn faults(&self) -> Vec<(String, String)> {
        let methods = self.methods().into_iter();
        let mut whole = methods.filter(|method| !method.is_added()).map(|method| method.key());
        let first = whole.next().unwrap_or_default();
        let others = whole.map(|key| {
            let problem =
                format!("{first} makes the gradient of a step already: name one of the two");
            (key.to_owned(), problem)
        });
        others.chain(self.faults_of_methods()).collect()
    }

    /// Batches of a meta-learning task: how many consecutive batches must be of one language.
    pub fn batches_of_task(&self) -> usize {
        let methods = self.methods().into_iter();
        methods.map(|method| method.batches_of_task()).find(|n| *n > 1).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests;
