//! How the gradients of a step's batches become the one that the optimizer takes.

mod fisher_step;
mod meta;
mod pcgrad;
mod sam;

use isogloss_model::Model;
use serde::{Deserialize, Serialize};

pub use fisher_step::FisherStepConfig;
pub use meta::{FirstOrderMamlConfig, ReptileConfig, descend};
pub use pcgrad::PcGradConfig;
pub use sam::SamConfig;

use crate::Gradients;

/// The batches of one optimizer step, which can be asked for gradients at any parameters.
///
/// Everything that is drawn, such as dropout masks, is drawn alike at each call of a step.
pub trait GradientSource<E> {
    /// The gradient of the sum of all objectives, the mean over the step's batches.
    ///
    /// # Errors
    /// If an objective has no loss, or one that is not finite.
    fn gradients(&mut self, model: &Model) -> Result<Gradients, E>;

    /// The number of batches.
    fn n_batches(&self) -> usize;

    /// The language of a batch, as a number; 0 where there is one language of training.
    fn batch_language(&self, batch: usize) -> usize;

    /// The gradient of the sum of all objectives over one of the batches.
    ///
    /// # Errors
    /// As [`gradients`](Self::gradients).
    fn batch_gradients(&mut self, model: &Model, batch: usize) -> Result<Gradients, E>;

    /// The gradient of the mean of `-log p(ŷ)`, with labels ŷ drawn from the model of the step's
    /// first such call and kept for the others.
    ///
    /// # Errors
    /// If a batch does not suit the model.
    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, E>;
}

/// A rule that makes one gradient of what a learner can be asked for.
pub trait Update<E>: Send {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// The gradient of optimizer step number `step`, from 0.
    ///
    /// # Errors
    /// Those of the learner.
    fn gradients(
        &mut self,
        model: &Model,
        step: u64,
        learner: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E>;
}

/// The gradient as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl<E> Update<E> for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn gradients(
        &mut self,
        model: &Model,
        _step: u64,
        learner: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        learner.gradients(model)
    }
}

/// Updates, as a recipe names them; each takes the gradient of the one before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateConfig {
    /// See [`FirstOrderMamlConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_order_maml: Option<FirstOrderMamlConfig>,
    /// See [`ReptileConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reptile: Option<ReptileConfig>,
    /// See [`PcGradConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcgrad: Option<PcGradConfig>,
    /// See [`SamConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sam: Option<SamConfig>,
    /// See [`FisherStepConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fisher_penalty: Option<FisherStepConfig>,
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

    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let inner = [
            ("first_order_maml", self.first_order_maml.is_some()),
            ("reptile", self.reptile.is_some()),
            ("pcgrad", self.pcgrad.is_some()),
            ("sam", self.sam.is_some()),
        ];
        let mut named = inner.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name);
        let first = named.next().unwrap_or_default();
        let others = named.map(|name| {
            (name, format!("{first} makes the gradient of a step already: name one of the two"))
        });
        let maml = self.first_order_maml.iter().flat_map(FirstOrderMamlConfig::faults);
        let reptile = self.reptile.iter().flat_map(ReptileConfig::faults);
        let sam = self.sam.iter().flat_map(SamConfig::faults);
        let fisher = self.fisher_penalty.iter().flat_map(FisherStepConfig::faults);
        others.chain(maml).chain(reptile).chain(sam).chain(fisher).collect()
    }

    /// How many batches, one after another, must be of one language.
    pub fn batches_of_task(&self) -> usize {
        match (&self.first_order_maml, &self.reptile) {
            (Some(_), _) => 2,
            (None, Some(reptile)) => reptile.inner_steps.max(1),
            (None, None) => 1,
        }
    }
}

/// A fault unless `value` is a positive number.
pub(crate) fn positive(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = value.is_finite() && value > 0.0;
    (!valid).then(|| (field, format!("expected a positive number, found {value}")))
}
