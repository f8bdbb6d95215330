//! An update: how the gradients of a step's batches become the one that the optimizer takes.

use isogloss_model::Model;

use crate::gradients::Gradients;

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

/// A rule that makes one gradient of what a gradient source can be asked for.
pub trait Update<E>: Send {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// The gradient of optimizer step number `step`, from 0.
    ///
    /// # Errors
    /// Those of the source.
    fn gradients(
        &mut self,
        model: &Model,
        step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E>;
}

/// Plain gradient descent: the gradient of the summed losses, as it is.
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

/// The configuration of an update.
pub(super) trait UpdateMethod {
    /// Its key in a recipe.
    fn key(&self) -> &'static str;

    /// How many batches, one after another, must be of one language.
    fn batches_of_task(&self) -> usize {
        1
    }

    /// Whether it adds to the gradient of another update, rather than make the gradient of a step itself.
    fn is_added(&self) -> bool {
        false
    }
}
