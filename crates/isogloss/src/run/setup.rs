//! Setup of a run: a new model with its data, or the state of the newest checkpoint.

use std::path::{Component, Path, PathBuf};

use isogloss_kernels::split_seed;
use isogloss_methods::{LearningRateConfig, Role, Schedule, UnfreezeScope};
use isogloss_model::{
    BaseModel, HeadChoice, HeadSpec, LabelRows, LoadReport, LoadedModel, Model, ModelFolder,
    base_model, load, model_fingerprints, named_parameters,
};
use serde_json::json;

use super::checkpoint::{self, Checkpoint, SavedMethods};
use super::environment::Environment;
use super::event::{Event, RunOptions};
use super::folder::{ENVIRONMENT, RunFolder};
use super::metrics_log::MetricsLog;
use super::new_model::new_model;
use super::progress::Progress;
use super::similar_sources::most_similar;
use super::teacher::load_reference_models;
use super::trainer::Trainer;
use super::unread::UnreadSteps;
use super::{centring, guided_dropout, method_states, unfreezing};
use crate::error::{EmbeddingError, RunError, io};
use crate::ground::seeds;
use crate::loader::{LabeledLoader, UnlabeledLoaders};
use crate::recipe::{AdapterRecipe, AlignerRecipe, ModelSelection};
use crate::step::{ForwardPlan, StepContext, SubnetworkMasks};
use crate::task::LabeledTask;
use crate::tools::subnetwork::{Subnetworks, check_parts};
use crate::tools::word_aligner::EncoderAligner;
use crate::{Error, Plan, Recipe};

impl<'a> Trainer<'a> {
    /// Sets up a new run, or restores it from its newest checkpoint.
    pub(super) fn new(
        plan: &'a Plan,
        run: &'a RunFolder,
        options: &'a RunOptions<'a>,
        data: Option<&'a LabeledLoader>,
        mut unlabeled: UnlabeledLoaders,
        forward_plan: ForwardPlan,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self, Error> {
        let recipe = plan.recipe();
        let head = data.and_then(|data| {
            let (labels, tags) = (&data.corpus.labels, &data.corpus.tags);
            Some(recipe.task.labeled()?.head(labels, tags, recipe.model.pooling))
        });
        let mut context =
            step_context(plan, run, options, head.as_ref(), &unlabeled, forward_plan)?;
        check_language_adapter(plan, data)?;
        centring::files(plan, data)?;
        let newest = run.newest_checkpoint()?.map(|(_, folder)| folder);
        let Checkpoint { loaded, optimizer, progress, methods } =
            checkpoint(plan, options, head.as_ref(), &context.plan, newest.as_deref())?;
        let LoadedModel { model, config_json, report, .. } = loaded;
        let model = with_dropout_and_adapters(plan, model, &mut context)?;
        context.word_aligner = word_aligner(recipe, &model, &context.plan)?;
        let subnetworks = subnetworks(plan, options, data, &model, &mut context, methods.as_ref())?;
        let schedules = schedules(recipe, &model, &progress)?;
        let (steps_per_epoch, learning_rate) = steps(plan, data, &mut unlabeled);
        if let Some(folder) = &newest {
            progress.check(folder, learning_rate.total_steps)?;
        }
        let [n_parameters, n_trainable] = n_parameters(&model, &schedules);
        let LoadReport { fresh, rows, .. } = &report;
        let adapter = AdapterRecipe::saved_adapter(recipe, &model);
        let unread_head = report.unread_head.as_deref();
        watch(Event::Model { n_parameters, n_trainable, fresh, rows, unread_head, adapter });
        if !unlabeled.restore(progress.language_epochs.clone()) {
            let path = newest.unwrap_or_default().join("state.json");
            return Err(RunError::OtherLanguages { path }.into());
        }
        if context.plan.reads_model(Role::Initial) {
            let initial = load(&options.model_folder, &HeadChoice::Without, &options.device)?;
            context.models.initial = Some(initial.model);
        }
        method_states::begin(&mut context, &model, &mut unlabeled, methods.as_ref())?;
        let update = method_states::update(recipe, &model, &context, methods.as_ref())?;
        if let Some(data) = data {
            let loaders = (data, &unlabeled);
            context.guided_dropout =
                guided_dropout::begin(plan, options, loaders, &model, &context, methods.as_ref())?;
        }
        let environment =
            Environment::new(&options.device_info, recipe, [n_parameters, n_trainable]);
        run.write_json(ENVIRONMENT, &environment)?;
        let log = log(run, &progress, newest.is_none().then_some(rows))?;
        Ok(Self {
            plan,
            run,
            options,
            data,
            unlabeled,
            head,
            config_json,
            base: base(recipe, &model, &options.model_folder)?,
            model: Some(model),
            optimizer,
            context,
            update,
            schedules,
            learning_rate,
            steps_per_epoch,
            progress,
            unread: UnreadSteps::default(),
            log,
            rule: selection_rule(plan),
            frozen_cache: None,
            subnetworks,
        })
    }
}

/// The model with the dropout rate of the recipe, and with the language adapters of all sources.
fn with_dropout_and_adapters(
    plan: &Plan,
    mut model: Model,
    context: &mut StepContext,
) -> Result<Model, Error> {
    let recipe = plan.recipe();
    if let Some(adapter) = &recipe.language_adapter {
        context.language_adapters = adapter.add_sources(&mut model, plan.sources())?;
    }
    Ok(match recipe.model.dropout {
        Some(rate) => model.with_dropout(rate),
        None => model,
    })
}

/// Opens the metrics log; that of a new run begins with the label rows of the head, if the model had
/// one.
fn log(
    run: &RunFolder,
    progress: &Progress,
    rows: Option<&LabelRows>,
) -> Result<MetricsLog, Error> {
    let mut log = MetricsLog::open(run.metrics(), progress.log_len)?;
    if let Some(rows) = rows.filter(|rows| **rows != LabelRows::default()) {
        let LabelRows { kept, moved, drawn } = rows;
        log.write(&json!({ "kind": "head", "kept": kept, "moved": moved, "drawn": drawn }))?;
    }
    Ok(log)
}

/// Loads the newest checkpoint; without one, initializes a new model before its first step.
fn checkpoint(
    plan: &Plan,
    options: &RunOptions<'_>,
    head: Option<&HeadSpec>,
    forward_plan: &ForwardPlan,
    newest: Option<&Path>,
) -> Result<Checkpoint, Error> {
    let config = plan.recipe().optimizer.adamw.clone();
    match newest {
        Some(folder) => {
            let device = options.device.clone().autodiff();
            checkpoint::read(folder, head, config, forward_plan.needs_lm_head(), &device)
        }
        None => Ok(Checkpoint::first(new_model(plan, options, head, forward_plan)?, config)),
    }
}

/// Step context: what all training steps share, with the teacher model.
fn step_context(
    plan: &Plan,
    run: &RunFolder,
    options: &RunOptions<'_>,
    head: Option<&HeadSpec>,
    unlabeled: &UnlabeledLoaders,
    forward_plan: ForwardPlan,
) -> Result<StepContext, Error> {
    let recipe = plan.recipe();
    let models = load_reference_models(plan, run, options, head, unlabeled, &forward_plan)?;
    let seed = split_seed(recipe.seed, seeds::DROPOUT);
    let aux_weight = recipe.task.labeled().map_or(1.0, LabeledTask::aux_weight);
    Ok(StepContext::new(forward_plan, options.device.clone(), seed, aux_weight, models))
}

/// The aligner of the words of each batch by the trained model, if objectives need links of it.
fn word_aligner(
    recipe: &Recipe,
    model: &Model,
    forward_plan: &ForwardPlan,
) -> Result<Option<EncoderAligner>, Error> {
    let aligner = recipe.pairs.as_ref().and_then(|pairs| pairs.aligner.as_ref());
    let table = aligner.and_then(AlignerRecipe::by_trained_model);
    let Some(table) = table.filter(|_| forward_plan.needs_word_links()) else { return Ok(None) };
    let (layer, last) = (table.layer, model.encoder.config().num_hidden_layers);
    if layer > last {
        return Err(EmbeddingError::NoLayer { layer, last }.into());
    }
    Ok(Some(EncoderAligner::from_recipe(table)))
}

/// Fails if a source or test language, or one that is centred, needs a language adapter and has none.
fn check_language_adapter(plan: &Plan, data: Option<&LabeledLoader>) -> Result<(), Error> {
    let (Some(adapter), Some(data)) = (&plan.recipe().language_adapter, data) else {
        return Ok(());
    };
    let tested = data.corpus.tests.iter().map(|set| &set.language);
    let centred = centring::files(plan, Some(data))?;
    let centred = centred.iter().map(|(language, _)| language);
    adapter.check_languages(plan.source(), plan.sources().iter().chain(tested).chain(centred))
}

/// Reads the subnetworks of the recipe and sets their masks in the step context.
fn subnetworks(
    plan: &Plan,
    options: &RunOptions<'_>,
    data: Option<&LabeledLoader>,
    model: &Model,
    context: &mut StepContext,
    saved: Option<&SavedMethods>,
) -> Result<Option<Subnetworks>, Error> {
    let (recipe, config) = (plan.recipe(), model.encoder.config());
    let Some(table) = &recipe.subnetworks else { return Ok(None) };
    check_parts(config, table.path.as_ref())?;
    let Some(data) = data else { return Ok(None) };
    let sizes = [config.num_hidden_layers, config.num_attention_heads];
    let similar = || most_similar(plan, options, &data.corpus);
    let mut subnetworks = Subnetworks::read(table, recipe.seed, plan.sources(), sizes, similar)?;
    if let Some(saved) = saved {
        method_states::restore_subnetworks(&mut subnetworks, model, context, saved)?;
    }
    let (masks, measured) = (subnetworks.source_subnetworks(), subnetworks.are_dynamic());
    context.masks = SubnetworkMasks::new(masks, measured, &context.device);
    Ok(Some(subnetworks))
}

/// The schedules of trainable parameters of the recipe, with the unfreezing steps of the
/// checkpoint.
fn schedules(
    recipe: &Recipe,
    model: &Model,
    progress: &Progress,
) -> Result<Vec<Box<dyn Schedule>>, Error> {
    let n_layers = model.encoder.config().num_hidden_layers;
    if let Some(layer) = recipe.schedule.layer_beyond(n_layers) {
        return Err(RunError::NoLayer { layer, n_layers }.into());
    }
    check_prefixes(recipe, model)?;
    let scope = AdapterRecipe::scope(recipe, model);
    if let (Some(schedule), true) =
        (recipe.schedule.unfreezes_embeddings(), scope != UnfreezeScope::Layers)
    {
        return Err(RunError::FrozenEmbeddings { schedule }.into());
    }
    let seed = split_seed(recipe.seed, seeds::UNFREEZING);
    let mut schedules = recipe.schedule.init(n_layers, &scope, seed);
    let [_, n_trainable] = n_parameters(model, &schedules);
    if n_trainable == 0 && recipe.few_shot.is_some() {
        return Err(RunError::FrozenFewShot.into());
    }
    unfreezing::resume(&mut schedules, &progress.unfreeze_steps);
    Ok(schedules)
}

/// Fails if an objective or the schedule leaves parameters as they are that the model does not have.
fn check_prefixes(recipe: &Recipe, model: &Model) -> Result<(), Error> {
    let of_objectives = recipe.objective.iter().enumerate();
    let of_objectives =
        of_objectives.map(|(at, of)| (format!("objective.{at}.freeze"), &of.freeze[..]));
    let of_schedule = ("schedule.freeze.parameters".to_owned(), recipe.schedule.frozen());
    for (key, prefixes) in of_objectives.chain([of_schedule]) {
        let is_of_none = |prefix: &&String| {
            !named_parameters(model).iter().any(|param| param.path.starts_with(prefix.as_str()))
        };
        if let Some(prefix) = prefixes.iter().find(is_of_none) {
            return Err(RunError::NoParameter { key, prefix: prefix.clone() }.into());
        }
    }
    Ok(())
}

/// Optimizer steps per epoch, and the learning-rate schedule over the whole run.
fn steps(
    plan: &Plan,
    data: Option<&LabeledLoader>,
    unlabeled: &mut UnlabeledLoaders,
) -> (u64, LearningRateConfig) {
    let (training, optimizer) = (&plan.recipe().training, &plan.recipe().optimizer);
    let n_batches = match data {
        Some(data) => data.batches_per_epoch(plan),
        None => unlabeled.batches_per_epoch(),
    };
    let steps_per_epoch = n_batches.div_ceil(training.accumulate);
    let all_steps = steps_per_epoch.saturating_mul(training.epochs);
    let total_steps = training.max_steps.map_or(all_steps, |max| max.min(all_steps));
    let warmup_steps = (optimizer.warmup_ratio * total_steps as f64).ceil() as u64;
    let (peak, schedule) = (optimizer.learning_rate, optimizer.learning_rate_schedule);
    (steps_per_epoch, LearningRateConfig { peak, warmup_steps, total_steps, schedule })
}

/// The number of parameters, and of those that are trained at some step.
fn n_parameters(model: &Model, schedules: &[Box<dyn Schedule>]) -> [usize; 2] {
    let mut sizes = [0; 2];
    for param in named_parameters(model) {
        let size: usize = param.shape.iter().product();
        sizes[0] += size;
        if schedules.iter().all(|rule| rule.may_train(&param.path)) {
            sizes[1] += size;
        }
    }
    sizes
}

/// Base model of the adapters that a run trains: the recipe's model, or the base of the folder
/// whose adapter is trained further; `None` if the run trains the whole model.
fn base(recipe: &Recipe, model: &Model, folder: &ModelFolder) -> Result<Option<BaseModel>, Error> {
    let base = match (&recipe.adapter, AdapterRecipe::saved_adapter(recipe, model)) {
        (None, None) => None,
        (None, Some(_)) => base_model(folder)?.map(|base| (base.name, base.folder)),
        (Some(_), _) => {
            let is_made = recipe.model.trim || recipe.student.is_some();
            let shown = || folder.path.display().to_string();
            let name = if is_made { shown() } else { recipe.model.source.clone() };
            Some((name, folder.clone()))
        }
    };
    // A path through the folder of an earlier run would end with that run.
    let absolute = |path: PathBuf| match path.components().any(|part| part == Component::ParentDir)
    {
        true => path.canonicalize().map_err(io(&path)),
        false => std::path::absolute(&path).map_err(io(&path)),
    };
    let Some((name, folder)) = base else { return Ok(None) };
    let files = model_fingerprints(&folder)?;
    let base = folder.base.map(absolute).transpose()?;
    let folder = ModelFolder { path: absolute(folder.path)?, base };
    Ok(Some(BaseModel { name, folder, files }))
}

/// Model selection criterion, in words.
fn selection_rule(plan: &Plan) -> String {
    let task = &plan.recipe().task;
    if !task.is_labeled() {
        return "the last step".to_owned();
    }
    let sources: Vec<_> = plan.sources().iter().map(ToString::to_string).collect();
    let of = match (plan.recipe().training.selection, sources.as_slice()) {
        (ModelSelection::AllLanguages, _) => {
            "on the dev sets of all languages, their mean (not zero-shot: labels of the target \
             languages choose the model)"
                .to_owned()
        }
        (ModelSelection::Sources, [source]) => format!("on the dev set of {source}"),
        (ModelSelection::Sources, _) => {
            format!("on the dev sets of {}, their mean", sources.join(", "))
        }
    };
    format!("highest {} {of}, the earliest of equals", task.metric())
}
