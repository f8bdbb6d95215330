//! How a run begins, or goes on from its newest checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use isogloss_kernels::split_seed;
use isogloss_methods::{AdamW, LearningRateConfig, Role, Schedule, SentenceEmbedding};
use isogloss_model::{
    AdapterLibrary, BaseModel, ForwardOptions, HeadChoice, HeadSpec, LoadedModel, Model,
    base_folder, load, load_masked_lm, mean_pool, named_parameters,
};

use isogloss_text::{Language, Tokenizer, sequential_by_length};

use super::batches::TrainingData;
use super::data::Streams;
use super::folders::{check_same_tokens, load_teacher};
use super::passes::Passes;
use super::teacher::{Asked, TeacherVectors};
use super::{Event, RunOptions, Trainer, guide, memory, streams, unfreezing};
use crate::checkpoint::{self, Checkpoint, Progress};
use crate::environment::Environment;
use crate::error::io;
use crate::recipe::AdapterRecipe;
use crate::run_folder::MetricsLog;
use crate::task::LabeledTask;
use crate::tools::subnetwork::{Subnetworks, check_parts};
use crate::{Corpus, Error, LabeledSet, Plan, RunFolder};

impl<'a> Trainer<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        run: &'a RunFolder,
        options: &'a RunOptions<'a>,
        data: Option<&'a TrainingData>,
        mut streams: Streams,
        mut passes: Passes,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self, Error> {
        let recipe = plan.recipe();
        let head = data.and_then(|data| {
            let (labels, tags) = (&data.corpus.labels, &data.corpus.tags);
            Some(recipe.task.labeled()?.head(labels, tags, recipe.model.pooling))
        });
        passes.tag_weight = recipe.task.labeled().map_or(1.0, LabeledTask::aux_weight);
        if let Some(folder) = &options.teacher_folder {
            let head = head.as_ref().filter(|_| passes.needs_labels_of_teacher());
            let teacher = load_teacher(folder, head, &options.device)?;
            match (&streams.pairs, passes.kept_of_teacher()) {
                (Some(pairs), Some(SentenceEmbedding { layer, pooling })) => {
                    let path = base_folder(folder)?.join("tokenizer.json");
                    let texts = pairs.distinct_left(&Tokenizer::from_file(&path)?)?;
                    let batch_size = recipe.training.evaluation_batch_size;
                    let asked = Asked { layer, pooling, batch_size };
                    let (path, device) = (run.teacher_vectors(), &options.device);
                    let kept = TeacherVectors::open(&path, &teacher.encoder, texts, asked, device)?;
                    passes.teacher_vectors = Some(kept);
                }
                _ => {
                    check_same_tokens(folder, &options.model_folder)?;
                    passes.teacher = Some(teacher);
                }
            }
        }

        if let (Some(language), Some(data)) = (&recipe.language_adapter, data) {
            language.check_languages(
                plan.source(),
                data.corpus.tests.iter().map(|set| &set.language),
            )?;
        }
        let device = options.device.clone().autodiff();
        let adamw = recipe.optimizer.adamw.clone();
        let newest = run.newest_checkpoint()?.map(|(_, folder)| folder);
        let Checkpoint { loaded, optimizer, progress } = match &newest {
            Some(folder) => {
                checkpoint::read(folder, head.as_ref(), adamw, passes.needs_lm_head(), &device)?
            }
            None => {
                let loaded = fresh(plan, options, head.as_ref(), &passes, &device)?;
                Checkpoint { loaded, optimizer: AdamW::new(adamw), progress: Progress::default() }
            }
        };
        let LoadedModel { model, config_json, report, .. } = loaded;
        let model = match recipe.model.dropout {
            Some(rate) => model.with_dropout(rate),
            None => model,
        };
        if let Some(of) = &recipe.subnetworks {
            check_parts(model.encoder.config(), of.path.as_ref())?;
        }
        let n_layers = model.encoder.config().num_hidden_layers;
        let shape = [n_layers, model.encoder.config().num_attention_heads];
        let mut subnetworks = match (&recipe.subnetworks, data) {
            (Some(of), Some(data)) => {
                let similar = || most_similar(plan, options, &data.corpus);
                Some(Subnetworks::read(of, recipe.seed, plan.sources(), shape, similar)?)
            }
            _ => None,
        };
        if let Some(subnetworks) = &mut subnetworks {
            if let Some(folder) = &newest
                && !subnetworks.restore(&progress.subnetwork_scores)
            {
                let problem = "the scores of subnetworks are not those of this recipe; use another \
                               --out, or --fresh to begin again";
                let path = folder.join("state.json");
                return Err(Error::Damaged { path, problem: problem.into() });
            }
            passes.use_subnetworks(subnetworks);
        }
        recipe.schedule.check_layers(n_layers).map_err(Error::Unsuitable)?;
        let scope = AdapterRecipe::scope(recipe);
        let seed = split_seed(recipe.seed, streams::UNFREEZING);
        let mut schedules = recipe.schedule.init(n_layers, &scope, seed);
        unfreezing::resume(&mut schedules, &progress.opens_at);

        let n_batches = match data {
            Some(data) => data.batches_per_epoch(plan),
            None => streams.batches_per_epoch(),
        };
        let steps_per_epoch = n_batches.div_ceil(recipe.training.accumulate);
        let all_steps = steps_per_epoch.saturating_mul(recipe.training.epochs);
        let total_steps = recipe.training.max_steps.map_or(all_steps, |max| max.min(all_steps));
        let warmup_steps = (recipe.optimizer.warmup_ratio * total_steps as f64).ceil() as u64;
        if let Some(folder) = &newest {
            progress.check(folder, total_steps)?;
        }
        let [n_parameters, n_trainable] = sizes(&model, &schedules);
        watch(Event::Model { n_parameters, n_trainable, fresh: &report.fresh });
        if !streams.restore(progress.rounds.clone()) {
            let path = newest.clone().unwrap_or_default().join("state.json");
            let problem = "the languages without labels have changed since; use another --out, or \
                           --fresh to begin again";
            return Err(Error::Damaged { path, problem: problem.into() });
        }
        if passes.needs(Role::Initial) {
            let initial = load(&options.model_folder, &HeadChoice::Without, &options.device)?;
            passes.initial = Some(initial.model);
        }
        memory::begin(&mut passes, &model, streams.pairs.as_mut(), newest.as_deref())?;
        if let (Some(config), Some(data)) = (&recipe.guided_dropout, data) {
            let is_new = newest.is_none();
            let guide = guide::unit_dropout(config, plan, run, data, &model, is_new, &passes)?;
            passes.unit_dropout = Some(guide);
        }

        let is_made = recipe.model.trim || recipe.student.is_some();
        let made = is_made.then(|| options.model_folder.display().to_string());
        let name = made.as_ref().unwrap_or(&recipe.model.source);
        let base = recipe.adapter.as_ref().map(|_| base(name, &options.model_folder));
        let base = base.transpose()?;
        let environment =
            Environment::new(&options.device_info, recipe, [n_parameters, n_trainable]);
        run.write_json("environment.json", &environment)?;
        let log = MetricsLog::open(run.metrics(), progress.log_len)?;
        Ok(Self {
            plan,
            run,
            options,
            data,
            streams,
            head,
            config_json,
            base,
            model: Some(model),
            optimizer,
            passes,
            update: recipe.update.init(),
            schedules,
            learning_rate: LearningRateConfig {
                peak: recipe.optimizer.learning_rate,
                warmup_steps,
                total_steps,
                curve: recipe.optimizer.curve,
            },
            steps_per_epoch,
            progress,
            log,
            rule: rule(plan),
            frozen_states: None,
            subnetworks,
        })
    }
}

/// The model that a run begins with: that of the recipe, with a new head and new adapters.
fn fresh(
    plan: &Plan,
    options: &RunOptions<'_>,
    head: Option<&HeadSpec>,
    passes: &Passes,
    device: &Device,
) -> Result<LoadedModel, Error> {
    let recipe = plan.recipe();
    let choice = match head {
        Some(spec) => {
            let seed = split_seed(recipe.seed, streams::HEAD);
            HeadChoice::New { spec: spec.clone(), seed }
        }
        None => HeadChoice::Without,
    };
    let load = if passes.needs_lm_head() { load_masked_lm } else { load };
    let mut loaded = load(&options.model_folder, &choice, device)?;
    let encoder = &loaded.model.encoder;
    let libraries = [AdapterLibrary::Adapters, AdapterLibrary::Peft];
    let has_adapters = libraries.iter().any(|library| encoder.adapters(*library).next().is_some());
    if recipe.adapter.is_none() && has_adapters {
        let source = &recipe.model.source;
        let problem =
            format!("{source} has adapters: train another one above them, with [adapter]");
        return Err(Error::Unsuitable(problem));
    }
    let widths = passes.projections(encoder.config().hidden_size).into_iter();
    let widths: Vec<_> = widths.map(|(_, widths)| widths).collect();
    let seed = split_seed(recipe.seed, streams::PROJECTIONS);
    loaded.model = loaded.model.with_projections(&widths, seed, device);
    if let Some(language) = &recipe.language_adapter {
        language.add_to(&mut loaded.model, plan.source())?;
    }
    let seed = split_seed(recipe.seed, streams::ADAPTER);
    AdapterRecipe::add_to(&mut loaded.model, recipe, seed)?;
    Ok(loaded)
}

/// The source that each other language is most similar to, by its place: that whose mean sentence vector
/// has the highest cosine with the language's, the first of equals.
fn most_similar(
    plan: &Plan,
    options: &RunOptions<'_>,
    corpus: &Corpus,
) -> Result<BTreeMap<Language, usize>, Error> {
    let encoder = load(&options.model_folder, &HeadChoice::Without, &options.device)?.model.encoder;
    /// Texts of a language at most.
    const N_TEXTS: usize = 256;
    let batch_size = plan.recipe().training.evaluation_batch_size;
    let mean = |set: &LabeledSet| {
        let set = set.sample_evenly(N_TEXTS);
        let mut sum = Tensor::<1>::zeros([encoder.config().hidden_size], &options.device);
        for indices in sequential_by_length(&set.lengths(), batch_size) {
            let (_, input) = set.batch(&indices, encoder.config(), &options.device)?;
            let states = encoder.forward(&input, &ForwardOptions::evaluation()).last_hidden_state();
            let vectors = mean_pool(states, input.attention_mask);
            sum = sum + vectors.sum_dim(0).flatten(0, 1);
        }
        let norm = sum.clone().square().sum().sqrt();
        Ok::<_, Error>(sum / norm)
    };
    let of_sources = corpus.devs.iter().map(mean).collect::<Result<Vec<_>, _>>()?;
    let unseen = corpus.tests.iter().filter(|set| !plan.sources().contains(&set.language));
    let nearest = |set: &LabeledSet| {
        let own = mean(set)?;
        let cosines = of_sources.iter().map(|other| (own.clone() * other.clone()).sum());
        let cosines: Vec<f32> = cosines.map(|cosine| cosine.into_scalar::<f32>()).collect();
        let best = (0..cosines.len()).rev().max_by(|a, b| cosines[*a].total_cmp(&cosines[*b]));
        Ok((set.language.clone(), best.unwrap_or_default()))
    };
    unseen.map(nearest).collect()
}

/// The number of parameters, and of those that are trained at any time.
fn sizes(model: &Model, schedules: &[Box<dyn Schedule>]) -> [usize; 2] {
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

fn base(name: &str, folder: &Path) -> Result<BaseModel, Error> {
    let (name, absolute) = (name.to_owned(), std::path::absolute(folder));
    Ok(BaseModel { name, folder: absolute.map_err(io(folder))? })
}

/// How the model is chosen, in words.
fn rule(plan: &Plan) -> String {
    let task = &plan.recipe().task;
    if !task.is_labeled() {
        return "the last step".to_owned();
    }
    let sources: Vec<_> = plan.sources().iter().map(ToString::to_string).collect();
    let of = match sources.as_slice() {
        [source] => format!("on the dev set of {source}"),
        _ => format!("on the dev sets of {}, their mean", sources.join(", ")),
    };
    format!("highest {} {of}, the earliest of equals", task.metric())
}
