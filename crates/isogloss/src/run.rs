//! Training runs: fine-tuning and evaluation of a model by a plan, in a run folder.

mod adapter;
mod centring;
mod checkpoint;
mod data_files;
mod device_failure;
mod environment;
mod event;
mod few_shot;
mod folder;
mod fresh;
mod frozen_layers;
mod guided_dropout;
mod initial_model;
mod measure;
mod method_states;
mod metrics_log;
mod new_model;
mod optimize;
mod progress;
mod read_steps;
mod results;
mod save;
mod score;
mod selection;
mod setup;
mod similar_sources;
mod teacher;
mod trainer;
mod unfreezing;
mod unread;

pub(crate) use environment::{BURN_VERSION, now};
pub use event::{Event, Outcome, RunOptions};
pub use folder::{RunFolder, RunStatus};

use isogloss_model::{ModelFolder, find_sentence_modules, read_config};

use self::checkpoint::check_format;
use self::environment::check_precision;
use self::initial_model::initial_model;
use self::trainer::Trainer;
use crate::ground::files::recover_folder;
use crate::ground::sentence_modules::make_embedding;
use crate::loader::Loaders;
use crate::step::ForwardPlan;
use crate::task::CENTRING;
use crate::tools::subnetwork::saves_subnetworks;
use crate::{Error, Plan, Results};

/// Fine-tuning: trains, selects and evaluates a model by a plan, or resumes the run from its newest
/// checkpoint. A finished run is not repeated: its results are returned.
///
/// # Errors
/// If the plan, the data, the model or the run folder is invalid, or the loss or the gradient norm
/// is not finite. Earlier checkpoints stay readable.
pub fn finetune(
    plan: &Plan,
    run: &RunFolder,
    options: &RunOptions<'_>,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    let _locked = run.lock()?;
    if !options.fresh
        && let RunStatus::Done(results) = run.status()?
    {
        check_finished(plan, run, options)?;
        tell_stored_counts(plan, run, &results, watch)?;
        // A crash right after the results were written leaves temporary files behind.
        run.tidy(plan.recipe())?;
        return Ok(Outcome::Finished(results));
    }
    if options.fresh {
        fresh::check(plan, run, options)?;
    } else if let Some((_, checkpoint)) = run.newest_checkpoint()? {
        // Checked before the recipe, which another version may write in another form.
        check_format(&checkpoint)?;
    }
    run.prepare(&plan.to_toml(), options.fresh)?;
    check_precision(run)?;
    recover_folder(&run.best())?;
    let given = options;
    let options = &initial_model(plan, run, options, watch)?;
    let Some(pretrain) = plan.pretrain() else {
        return run_plan(plan, run, options, given, watch);
    };
    watch(Event::Recipe { name: pretrain.name() });
    let folder = run.pretrain();
    if let Outcome::Stopped { step } = finetune(pretrain, &folder, options, watch)? {
        return Ok(Outcome::Stopped { step });
    }
    watch(Event::Recipe { name: plan.name() });
    let options = RunOptions { model_folder: folder.best().into(), ..options.clone() };
    run_plan(plan, run, &options, given, watch)
}

/// Fails unless the results of a finished run, and of its `pretrain_recipe`, are of this plan, precision
/// and data.
fn check_finished(plan: &Plan, run: &RunFolder, options: &RunOptions<'_>) -> Result<(), Error> {
    run.prepare(&plan.to_toml(), false)?;
    check_precision(run)?;
    data_files::check(plan, run, options)?;
    match plan.pretrain() {
        // The results stay valid where the run before them was removed.
        Some(pretrain) if run.pretrain().status()? != RunStatus::New => {
            check_finished(pretrain, &run.pretrain(), options)
        }
        _ => Ok(()),
    }
}

/// Trains and evaluates by one plan, without its `pretrain_recipe`, from the model folder of the
/// options, which may be made from that of the `given` ones.
fn run_plan(
    plan: &Plan,
    run: &RunFolder,
    options: &RunOptions<'_>,
    given: &RunOptions<'_>,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    let forward_plan = ForwardPlan::from_plan(plan);
    let RunOptions { model_folder, device, device_info, .. } = options;
    let loaders = Loaders::read(plan, &forward_plan, model_folder, device, device_info)?;
    // After the data was read: those errors say more about a faulty file.
    data_files::check(plan, run, given)?;
    let report = loaders.report()?;
    watch(Event::Counts(Some(&report)));
    let Loaders { labeled, unlabeled } = loaders;
    if let Some(data) = &labeled {
        watch(Event::Data(&data.corpus));
    }
    if let Some(pairs) = &unlabeled.pairs {
        watch(Event::Pairs(&pairs.sets));
    }
    if let Some(texts) = &unlabeled.texts {
        watch(Event::Unlabeled(&texts.n_by_language()));
    }
    tell_other_embeddings(&forward_plan, &options.model_folder, watch)?;
    let model = &options.model_folder.path;
    if plan.recipe().centring.is_none() && model.join(CENTRING).exists() {
        watch(Event::LostCentring { model });
    }
    if plan.recipe().subnetworks.is_none() && saves_subnetworks(model) {
        watch(Event::LostSubnetworks { model });
    }
    if let Some(ModelFolder { path: teacher, .. }) = &options.teacher_folder {
        if teacher.join(CENTRING).exists() {
            watch(Event::TeacherCentring { teacher });
        }
        if saves_subnetworks(teacher) {
            watch(Event::TeacherSubnetworks { teacher });
        }
    }
    if let (Some(folder), Some(embedding)) =
        (&options.teacher_folder, forward_plan.only_teacher_embedding())
        && let Some(modules) = teacher::own_modules(folder, &embedding)?
    {
        watch(Event::TeacherEmbedding { modules: &modules });
    }
    let data = labeled.as_ref();
    let mut trainer = Trainer::new(plan, run, options, data, unlabeled, forward_plan, watch)?;
    match trainer.train_guarded(watch) {
        Ok(true) => {}
        Ok(false) => return Ok(Outcome::Stopped { step: trainer.step() }),
        Err(error) => {
            if matches!(error, Error::DeviceFailed { .. }) {
                std::mem::forget(trainer);
            }
            return Err(error);
        }
    }
    trainer.finish(report, watch).map(|results| Outcome::Finished(Box::new(results)))
}

/// Reports what was lost of the data of a finished run and of its `pretrain_recipe`, as it is stored
/// with their results.
fn tell_stored_counts(
    plan: &Plan,
    run: &RunFolder,
    results: &Results,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<(), Error> {
    if plan.pretrain().is_some()
        && let RunStatus::Done(before) = run.pretrain().status()?
    {
        watch(Event::Counts(before.data.as_ref()));
    }
    watch(Event::Counts(results.data.as_ref()));
    Ok(())
}

/// Reports the objectives whose sentence embeddings are not those of the modules of the model
/// folder, if it is of sentence-transformers.
fn tell_other_embeddings(
    forward_plan: &ForwardPlan,
    folder: &ModelFolder,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<(), Error> {
    let Some(modules) = find_sentence_modules(folder)? else { return Ok(()) };
    let n_layers = read_config(folder)?.0.num_hidden_layers;
    for planned in forward_plan.objectives() {
        let Some(trained) = planned.needs.sentence_embedding else { continue };
        if !make_embedding(&modules, &trained, n_layers) {
            let objective = planned.objective.name();
            watch(Event::SentenceEmbedding { objective, trained, modules: &modules });
        }
    }
    Ok(())
}
