//! Initial model of a new run: the recipe's model with a task head, projection heads and adapters.

use isogloss_kernels::split_seed;
use isogloss_model::{AdapterLibrary, HeadChoice, HeadSpec, LoadedModel, load, load_masked_lm};

use super::event::RunOptions;
use crate::error::RunError;
use crate::ground::seeds;
use crate::recipe::AdapterRecipe;
use crate::step::ForwardPlan;
use crate::{Error, Plan};

/// Loads the recipe's model and adds a task head, projection heads and adapters.
pub(super) fn new_model(
    plan: &Plan,
    options: &RunOptions<'_>,
    head: Option<&HeadSpec>,
    forward_plan: &ForwardPlan,
) -> Result<LoadedModel, Error> {
    let recipe = plan.recipe();
    let choice = match head {
        Some(spec) => {
            let seed = split_seed(recipe.seed, seeds::HEAD);
            recipe.model.head.choice(spec, seed)
        }
        None => HeadChoice::Without,
    };
    let device = &options.device.clone().autodiff();
    let load = if forward_plan.needs_lm_head() { load_masked_lm } else { load };
    let mut loaded = load(&options.model_folder, &choice, device)?;
    let encoder = &loaded.model.encoder;
    let libraries = [AdapterLibrary::Adapters, AdapterLibrary::Peft];
    let has_adapters = libraries.iter().any(|library| encoder.adapters(*library).next().is_some());
    if recipe.adapter.is_none() && has_adapters {
        let source_model = recipe.model.source.clone();
        return Err(RunError::ModelHasAdapters { source_model }.into());
    }
    let heads = forward_plan.projection_heads(encoder.config().hidden_size).into_iter();
    let widths: Vec<_> = heads.map(|(_, widths)| widths).collect();
    let seed = split_seed(recipe.seed, seeds::PROJECTIONS);
    loaded.model = loaded.model.with_projections(&widths, seed, device);
    if let Some(language) = &recipe.language_adapter {
        language.add_to(&mut loaded.model, plan.source())?;
    }
    let seed = split_seed(recipe.seed, seeds::ADAPTER);
    AdapterRecipe::add_to(&mut loaded.model, recipe, seed)?;
    Ok(loaded)
}
