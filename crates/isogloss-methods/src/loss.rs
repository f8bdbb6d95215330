//! Objective trait: a loss over the views of a training step.

use burn::tensor::Tensor;

use crate::error::ObjectiveError;
use crate::needs::Needs;
use crate::state::MethodState;
use crate::step::{Sentences, StepInput};

/// Objective: a loss over the views (forward passes) of a training step.
///
/// An objective never runs the model: it requests the forward passes that it reads in
/// [`needs`](Self::needs), and the trainer runs each of them once for all objectives.
pub trait Objective: Send + Sync {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// Requirements on the trainer, such as forward passes.
    fn needs(&self) -> Needs;

    /// Creates the state that is kept across steps, if the objective has one; called once a run.
    fn state(&self) -> Option<Box<dyn MethodState>> {
        None
    }

    /// GradCache (gradient caching): the loss as a function of sentence embeddings, if the pairs
    /// are to be encoded a few at a time.
    fn grad_cache(&self) -> Option<&dyn GradCache> {
        None
    }

    /// Computes the loss of a step.
    ///
    /// # Shapes
    /// - returns: `[1]`
    ///
    /// # Errors
    /// If the step lacks an input that this objective needs.
    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError>;
}

/// GradCache (gradient caching): a contrastive loss over more pairs than are encoded at a time.
///
/// # Source
/// Gao et al. 2021, GradCache, arXiv:2101.06983; see [`embedding_gradients`](crate::embedding_gradients).
pub trait GradCache {
    /// Number of pairs that are encoded at a time.
    fn chunk_size(&self) -> usize;

    /// Sentence embeddings of one side, `[pairs, width]`.
    ///
    /// # Errors
    /// If the model has no such layer.
    fn embeddings(&self, sentences: &Sentences) -> Result<Tensor<2>, ObjectiveError>;

    /// Contrastive loss of the embeddings of both sides, `[1]`.
    fn loss(&self, sides: [Tensor<2>; 2]) -> Tensor<1>;
}
