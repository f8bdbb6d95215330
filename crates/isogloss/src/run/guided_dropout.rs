//! Guided dropout: estimates the rates before the first step, or restores them from a checkpoint.

use isogloss_kernels::split_seed;
use isogloss_methods::{GradientSource, GuidedDropoutConfig, GuidedDropoutState};
use isogloss_model::Model;

use super::checkpoint::SavedMethods;
use crate::ground::seeds;
use crate::loader::LabeledLoader;
use crate::step::{StepContext, StepGradients};
use crate::{Error, Plan};

/// The name of the state in a checkpoint.
pub(super) const GUIDED_DROPOUT: &str = "guided_dropout";

/// Estimates the rates from the first batches, of an order of their own.
pub(super) fn estimate(
    config: &GuidedDropoutConfig,
    plan: &Plan,
    data: &LabeledLoader,
    model: &Model,
    context: &StepContext,
) -> Result<GuidedDropoutState, Error> {
    let seed = split_seed(plan.recipe().seed, seeds::GUIDED_DROPOUT);
    let batches = data.first_batches(plan, seed, config.n_batches)?;
    let gradients = |batch| {
        let path = &data.corpus.train.path;
        StepGradients::new(context, model, vec![batch], path)?.sampled_gradients(model)
    };
    GuidedDropoutState::estimate(config, model, batches.into_iter().map(gradients))
}

/// Restores the rates from a checkpoint.
pub(super) fn restore(saved: &SavedMethods, model: &Model) -> Result<GuidedDropoutState, Error> {
    let mut reader = saved.state(GUIDED_DROPOUT)?;
    GuidedDropoutState::restored(&mut reader, model).map_err(|error| reader.error(error))
}
