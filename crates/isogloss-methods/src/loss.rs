//! What an objective is: a loss over the views of a step.

use burn::tensor::Tensor;

use crate::error::ObjectiveError;
use crate::needs::Needs;
use crate::state::MethodState;
use crate::step::{Sentences, StepInput};

/// A loss over the views of a step.
///
/// It never runs the model: it names in [`needs`](Self::needs) the passes that it reads, and the trainer
/// makes each of them once for all objectives.
pub trait Objective: Send + Sync {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// What the trainer is to provide.
    fn needs(&self) -> Needs;

    /// What it keeps from one step to the next, if anything; made once a run.
    fn state(&self) -> Option<Box<dyn MethodState>> {
        None
    }

    /// The loss as a contrast of sentence embeddings, if they are to be encoded a few pairs at a time
    /// (gradient caching).
    fn grad_cache(&self) -> Option<&dyn GradCache> {
        None
    }

    /// The loss of a step.
    ///
    /// # Shapes
    /// - returns: `[1]`
    ///
    /// # Errors
    /// If the step lacks something that this objective needs.
    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError>;
}

/// A contrast of sentence embeddings over more pairs than are encoded at a time (gradient caching).
///
/// # Source
/// Gao et al. 2021, GradCache, arXiv:2101.06983; see [`vector_gradients`](crate::vector_gradients).
pub trait GradCache {
    /// Pairs that are encoded at a time.
    fn chunk_size(&self) -> usize;

    /// The embedding of each sentence of one side, `[pairs, width]`.
    ///
    /// # Errors
    /// If the model lacks the layer.
    fn embeddings(&self, sentences: &Sentences) -> Result<Tensor<2>, ObjectiveError>;

    /// The loss of the embeddings of both sides, `[1]`.
    fn loss(&self, sides: [Tensor<2>; 2]) -> Tensor<1>;
}
