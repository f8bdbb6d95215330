//! Update trait: how the gradients of a step's batches become the gradient for the optimizer.

use isogloss_model::Model;

use crate::gradients::Gradients;
use crate::state::MethodState;
use crate::view::EmbeddingNoise;

/// Gradient source: computes gradients of the batches of one optimizer step at any parameters.
///
/// All random draws, such as dropout masks, are the same in each call of a step.
pub trait GradientSource<E> {
    /// Gradient of the sum of all objectives, averaged over the step's batches.
    ///
    /// # Errors
    /// If an objective has no loss, or a loss that is not finite.
    fn gradients(&mut self, model: &Model) -> Result<Gradients, E>;

    /// Number of batches of the step.
    fn n_batches(&self) -> usize;

    /// Language index of a batch; 0 if there is one training language.
    fn batch_language(&self, batch: usize) -> usize;

    /// Gradient of the sum of all objectives over one of the batches.
    ///
    /// # Errors
    /// As [`gradients`](Self::gradients).
    fn batch_gradients(&mut self, model: &Model, batch: usize) -> Result<Gradients, E>;

    /// Gradient for the Fisher information, of the mean of `-log p(ŷ)`: labels ŷ are sampled from
    /// the model in the step's first call and reused in the others.
    ///
    /// # Errors
    /// If a batch does not fit the model.
    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, E>;

    /// Divergence of predictions under noise: `KL(p(y | x + z) ‖ p(y | x))` with noise z on the token
    /// embeddings, the mean over all rows of the step that have a target, in nats. The two passes
    /// have dropout masks of their own.
    ///
    /// # Errors
    /// If a batch does not fit the model.
    fn noise_divergence(&mut self, model: &Model, noise: EmbeddingNoise) -> Result<f64, E>;

    /// Divergence from the predictions of earlier parameters: `KL(p(y | x; θ′) ‖ p(y | x; θ))`, where
    /// θ′ are those of `earlier`, without dropout, and θ those of `model`, with it; the mean over all
    /// rows of the step that have a target, in nats.
    ///
    /// # Errors
    /// If a batch does not fit the model.
    fn parameter_divergence(&mut self, model: &Model, earlier: &Model) -> Result<f64, E>;
}

/// Update rule: computes the gradient for the optimizer from a gradient source.
pub trait Update<E>: Send {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// Computes the gradient of optimizer step number `step`, from 0.
    ///
    /// # Errors
    /// Those of the source.
    fn gradients(
        &mut self,
        model: &Model,
        step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E>;

    /// The state that the update keeps from step to step, if it does; only what it saves and restores
    /// is used.
    fn state(&mut self) -> Option<&mut dyn MethodState> {
        None
    }
}

/// Plain update: the gradient of the summed losses, unchanged.
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
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        source.gradients(model)
    }
}

/// Configuration of an update.
pub(super) trait UpdateMethod {
    /// Its key in a recipe.
    fn key(&self) -> &'static str;

    /// Batches of a meta-learning task: how many consecutive batches must be of one language.
    fn batches_of_task(&self) -> usize {
        1
    }

    /// Its place in the nest of updates.
    fn place(&self) -> UpdatePlace {
        UpdatePlace::Gradient
    }
}

/// Place of an update in the nest of a recipe's updates, from the innermost one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpdatePlace {
    /// It computes the gradient of a step.
    Gradient,
    /// It takes that gradient at other parameters.
    Ascent,
    /// It adds to the gradient.
    Added,
}
