//! Initial model of a run, if it is made from the recipe's model: with a trimmed vocabulary, or a
//! student of it (knowledge distillation).

use std::path::Path;

use isogloss_kernels::split_seed;
use isogloss_model::{HeadChoice, StudentConfig, load, save, tokenizer_folder};

use super::event::{Event, RunOptions};
use super::folder::RunFolder;
use crate::error::RunError;
use crate::ground::files::{recover_folder, replace_folder};
use crate::ground::seeds;
use crate::ground::tokenizer_files::copy_tokenizer;
use crate::tools::trim::trim_for;
use crate::{Error, Plan};

/// Makes the initial model, unless an earlier start of the run has, and returns the options with
/// its folder; with a student, the recipe's model is the teacher unless another one is set.
pub(super) fn initial_model<'a>(
    plan: &Plan,
    run: &RunFolder,
    options: &RunOptions<'a>,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<RunOptions<'a>, Error> {
    let mut options = options.clone();
    if plan.recipe().model.trim {
        let folder = run.trimmed();
        recover_folder(&folder)?;
        if !folder.exists() {
            let report = trim_for(plan, &options.model_folder.path, &folder)?;
            watch(Event::Trim(&report));
        }
        options.model_folder = folder.into();
    }
    if let Some(config) = &plan.recipe().student {
        let folder = run.student();
        recover_folder(&folder)?;
        if !folder.exists() {
            let seed = split_seed(plan.recipe().seed, seeds::STUDENT);
            make_student(config, &options, seed, &folder)?;
        }
        let teacher = std::mem::replace(&mut options.model_folder, folder.into());
        options.teacher_folder.get_or_insert(teacher);
    }
    Ok(options)
}

fn make_student(
    config: &StudentConfig,
    options: &RunOptions<'_>,
    seed: u64,
    folder: &Path,
) -> Result<(), Error> {
    let teacher = load(&options.model_folder, &HeadChoice::Without, &options.device)?;
    let (student, json) = config
        .init(&teacher, seed, &options.device)
        .map_err(|problem| RunError::Student { problem: problem.to_string() })?;
    replace_folder(folder, |folder| {
        save(folder, &student, None, &json)?;
        copy_tokenizer(&tokenizer_folder(&options.model_folder)?, folder)
    })
}
