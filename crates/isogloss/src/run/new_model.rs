//! Initial model of a new run: the recipe's model with a task head, projection heads and adapters.

use isogloss_kernels::split_seed;
use isogloss_model::{HeadChoice, HeadSpec, LoadedModel, load, load_masked_lm};

use super::event::RunOptions;
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
    AdapterRecipe::check_saved_adapter(recipe, &loaded, &options.model_folder)?;
    let hidden_size = loaded.model.encoder.config().hidden_size;
    let heads = forward_plan.projection_heads(hidden_size).into_iter();
    let widths: Vec<_> = heads.map(|(_, widths)| widths).collect();
    let seed = split_seed(recipe.seed, seeds::PROJECTIONS);
    loaded.model = loaded.model.with_projections(&widths, seed, device);
    if let Some(language) = &recipe.language_adapter {
        language.add_to(&mut loaded.model, plan.source(), recipe.adapter.is_none())?;
    }
    let seed = split_seed(recipe.seed, seeds::ADAPTER);
    AdapterRecipe::add_to(&mut loaded.model, recipe, seed)?;
    Ok(loaded)
}
