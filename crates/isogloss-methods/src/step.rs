//! A training step as an objective sees it: what an objective is, and what the trainer hands to it.

mod input;
mod row_targets;
mod sentences;
mod view_output;

use burn::tensor::Tensor;

pub use input::{PairInput, StepInput};
pub use row_targets::RowTargets;
pub use sentences::Sentences;
pub(crate) use view_output::matched_logits;
pub use view_output::{PredictionUnits, ViewOutput};

use crate::error::ObjectiveError;
use crate::needs::Needs;

/// A loss over the views of a step.
///
/// It never runs the model: it names in [`needs`](Self::needs) the passes that it reads, and the trainer
/// makes each of them once for all objectives.
pub trait Objective: Send + Sync {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// What the trainer is to provide.
    fn needs(&self) -> Needs;

    /// How it remembers earlier pairs, if it does.
    fn memory(&self) -> Option<Memory> {
        None
    }

    /// The keys of this step's pairs, to be remembered, `[pairs, width]`.
    ///
    /// # Errors
    /// If the step lacks something that they are made of.
    fn keys(&self, _input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        Ok(None)
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

/// How an objective remembers earlier pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Keys that are kept.
    pub queue_size: usize,
    /// The momentum of the momentum encoder that makes them.
    pub momentum: f64,
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
