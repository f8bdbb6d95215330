//! Training step: the forward passes that the objectives need, and the gradients of their losses.

mod batch;
mod context;
mod device_batch;
mod embedding_noise;
mod forward;
mod forward_plan;
pub(crate) mod frozen_cache;
mod grad_cache;
mod gradients;
mod objective_states;
mod pair_sentences;
pub(crate) mod teacher_cache;
mod token_lookup;
mod trust_region;
mod word_alignment;

pub(crate) use batch::{StepBatch, batch_links};
pub(crate) use context::{ReferenceModels, StepContext, SubnetworkMasks};
pub(crate) use forward_plan::ForwardPlan;
pub(crate) use gradients::{StepGradients, StepLosses, StepOutcome};

#[cfg(test)]
mod tests;
