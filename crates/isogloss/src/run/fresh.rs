//! Checks before `--fresh` empties a run folder: if data of the new recipe is missing or faulty,
//! the earlier run is not removed.

use std::path::Path;

use super::data_files;
use super::event::RunOptions;
use super::folder::RunFolder;
use crate::error::RunError;
use crate::loader::Loaders;
use crate::step::ForwardPlan;
use crate::{Error, Plan};

/// Reads the data of a plan and of its `pretrain_recipe`, to fail before the earlier run is
/// removed. Fails as well if a model or a data file lies in the run folder.
pub(super) fn check(plan: &Plan, run: &RunFolder, options: &RunOptions<'_>) -> Result<(), Error> {
    if !run.path().join("recipe.toml").exists() {
        return Ok(());
    }
    let models = [Some(&options.model_folder), options.teacher_folder.as_ref()];
    for folder in models.into_iter().flatten() {
        for path in [Some(&folder.path), folder.base.as_ref()].into_iter().flatten() {
            check_outside(path, run)?;
        }
    }
    for plan in plan.pretrain().into_iter().chain([plan]) {
        for path in data_files::paths(plan)? {
            check_outside(&path, run)?;
        }
        let forward_plan = ForwardPlan::from_plan(plan);
        let RunOptions { model_folder, device, device_info, .. } = options;
        Loaders::read(plan, &forward_plan, model_folder, device, device_info)?;
    }
    Ok(())
}

/// Fails if a path lies inside the run folder.
fn check_outside(path: &Path, run: &RunFolder) -> Result<(), Error> {
    let (Ok(inner), Ok(outer)) = (path.canonicalize(), run.path().canonicalize()) else {
        return Ok(());
    };
    if inner.starts_with(outer) {
        let folder = run.path().to_owned();
        return Err(RunError::InRun { path: path.to_owned(), folder }.into());
    }
    Ok(())
}
