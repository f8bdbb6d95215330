//! States of training methods: initialized before the first step, or restored from a checkpoint.

use isogloss_methods::{MethodState, Update};
use isogloss_model::Model;

use super::checkpoint::SavedMethods;
use crate::error::RunError;
use crate::loader::UnlabeledLoaders;
use crate::step::{StepBatch, StepContext, StepGradients};
use crate::tools::subnetwork::Subnetworks;
use crate::{Error, Recipe};

/// The name of the subnetworks' state; all other states belong to objectives.
pub(super) const SUBNETWORKS: &str = "subnetworks";

/// Initializes the states of objectives, or restores them from a checkpoint.
pub(super) fn begin(
    context: &mut StepContext,
    model: &Model,
    unlabeled: &mut UnlabeledLoaders,
    saved: Option<&SavedMethods>,
) -> Result<(), Error> {
    if let Some(saved) = saved {
        let device = context.device.clone();
        for (name, state) in context.states.iter_mut() {
            let mut reader = saved.state(name)?;
            state.restore(&mut reader, model, &device).map_err(|error| reader.error(error))?;
        }
        return Ok(());
    }
    check_negative_queue(context, unlabeled)?;
    context.states.begin(model);
    let texts = context.plan.texts();
    // Warm-up batches, before batch 0: their numbers count down from the highest.
    let mut number = u64::MAX;
    while !context.states.are_ready() {
        let mut batches = vec![StepBatch::empty(number)];
        number -= 1;
        unlabeled.add_to(&mut batches, &texts)?;
        let sets = unlabeled.pairs.iter().flat_map(|pairs| &pairs.sets);
        let path = sets.map(|set| set.path.clone()).next().unwrap_or_default();
        let collected = StepGradients::new(context, model, batches, &path)?.collect(model)?;
        if collected.iter().all(Vec::is_empty) {
            return Err(RunError::WarmUpStalled.into());
        }
        context.states.warm_up(collected);
    }
    Ok(())
}

/// The update of a recipe, with the state that a checkpoint has of it.
pub(super) fn update(
    recipe: &Recipe,
    model: &Model,
    context: &StepContext,
    saved: Option<&SavedMethods>,
) -> Result<Box<dyn Update<Error>>, Error> {
    let mut update = recipe.update.init::<Error>();
    let name = update.name();
    if let (Some(state), Some(saved)) = (update.state(), saved) {
        let mut reader = saved.state(name)?;
        let restored = state.restore(&mut reader, model, &context.device);
        restored.map_err(|error| reader.error(error))?;
    }
    Ok(update)
}

/// Fails if the negative queue (MoCo) has at least as many keys as there are pairs, or twos of pairs
/// with mixup.
fn check_negative_queue(context: &StepContext, unlabeled: &UnlabeledLoaders) -> Result<(), Error> {
    let (Some(queue_size), Some(pairs)) = (context.plan.negative_queue(), &unlabeled.pairs) else {
        return Ok(());
    };
    let n_pairs: usize = pairs.sets.iter().map(|set| set.train.len()).sum();
    let mixes = context.plan.contrast_texts().is_some_and(|texts| texts.mixup);
    let n_pairs_of_key = if mixes { 2 } else { 1 };
    if queue_size.saturating_mul(n_pairs_of_key) < n_pairs {
        return Ok(());
    }
    Err(RunError::NegativeQueue { queue_size, n_pairs }.into())
}

/// Restores the subnetworks of the source languages from a checkpoint.
pub(super) fn restore_subnetworks(
    subnetworks: &mut Subnetworks,
    model: &Model,
    context: &StepContext,
    saved: &SavedMethods,
) -> Result<(), Error> {
    let mut reader = saved.state(SUBNETWORKS)?;
    let restored = subnetworks.restore(&mut reader, model, &context.device);
    Ok(restored.map_err(|_| RunError::SubnetworkScores { path: saved.state_path() })?)
}
