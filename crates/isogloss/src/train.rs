//! The training loop.

mod batches;
mod contrast;
pub(crate) mod folders;
mod guide;
mod learner;
mod memory;
mod monolingual;
mod pairs;
mod prefix;
pub(crate) mod rounds;
mod score;
mod unfreezing;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use isogloss_kernels::split_seed;
use isogloss_methods::{
    AdamW, LearningRateConfig, Moment, Role, Schedule, TextView, Update, apply_schedules,
};
use isogloss_model::{
    Base, HeadChoice, HeadSpec, LoadedModel, Model, base_folder, load, load_masked_lm,
    named_parameters,
};
use isogloss_text::{Masker, Tokenizer};
use serde_json::{Value, json};

use self::batches::{StepBatch, TrainingData};
use self::folders::{load_teacher, read_config};
use self::learner::{Passes, StepLearner};
use self::monolingual::BlockStream;
pub use self::monolingual::MonolingualRecipe;
use self::pairs::PairStream;
use self::prefix::FrozenStates;
use self::rounds::{Rounds, RoundsProgress};
use crate::adapter::AdapterRecipe;
use crate::checkpoint::{self, Checkpoint, Progress};
use crate::data::check_vocabulary;
use crate::device::{DeviceInfo, check_buffer};
use crate::environment::Environment;
use crate::error::io;
use crate::fisher::Measures;
use crate::pairs::PairSet;
use crate::run_folder::{MetricsLog, recover_folder, remove_folder};
use crate::{Corpus, Error, Plan, Results, RunFolder, RunStatus, Scores, Task};

/// What a run needs besides its plan.
#[derive(Clone)]
pub struct RunOptions<'a> {
    /// The folder of the model to start from.
    pub model_folder: PathBuf,
    /// Where tensors live, without autodiff.
    pub device: Device,
    /// What is known about that device.
    pub device_info: DeviceInfo,
    /// The folder of the recipe's teacher, if it has one.
    pub teacher_folder: Option<PathBuf>,
    /// Throws away what an earlier run left in the folder.
    pub fresh: bool,
    /// Set from outside to end the run at its next step, with a checkpoint.
    pub stop: &'a AtomicBool,
}

/// What happens in a run, for whoever watches.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The recipe's `before` begins or, if it is done, is passed over; what follows is the recipe.
    Before {
        /// The name of that recipe.
        recipe: &'a str,
    },
    /// The data has been read.
    Data(&'a Corpus),
    /// The pairs have been read.
    Pairs(&'a [PairSet]),
    /// The model has been built; these parameters are new.
    Model {
        /// Their number in all.
        n_parameters: usize,
        /// The number of those that are trained at any time.
        n_trainable: usize,
        /// Names of those drawn anew.
        fresh: &'a [String],
    },
    /// Training begins or goes on.
    Begin {
        /// Steps done before.
        step: u64,
        /// Steps in all.
        total_steps: u64,
        /// How the model will be chosen.
        rule: &'a str,
    },
    /// Layers begin to learn.
    Open {
        /// Steps done before.
        step: u64,
        /// The layers, from zero.
        layers: &'a [usize],
    },
    /// States that leave the frozen layers are kept, at so many layers.
    Frozen {
        /// In memory.
        in_memory: usize,
        /// On the disk.
        on_disk: usize,
        /// Not at all, for want of room: they are computed again.
        left_out: usize,
    },
    /// An optimizer step was taken.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        total_steps: u64,
        /// Mean loss of its batches.
        loss: f64,
        /// Real tokens a second.
        tokens_per_sec: f64,
    },
    /// The source language's dev set was scored.
    Dev {
        /// Steps done.
        step: u64,
        /// Its scores.
        scores: &'a Scores,
        /// Whether this is the best model so far.
        is_best: bool,
    },
    /// The Fisher information and the sharpness were measured.
    Measures {
        /// Steps done.
        step: u64,
        /// What was found.
        measures: &'a Measures,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
    /// A language's test set was scored.
    Language {
        /// Its tag.
        language: &'a str,
        /// Its scores.
        scores: &'a Scores,
    },
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// With its results.
    Finished(Box<Results>),
    /// At someone's wish, after this many steps; the same call goes on from there.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// Carries out a plan, or goes on with it where its folder says.
///
/// # Errors
/// If anything of the plan, the data, the model or the folder is not as it should be, or the loss
/// leaves the numbers. Checkpoints written before stay readable.
pub fn finetune(
    plan: &Plan,
    run: &RunFolder,
    options: &RunOptions<'_>,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    if !options.fresh
        && let RunStatus::Done(results) = run.status()?
    {
        run.prepare(&plan.to_toml(), false)?;
        // A crash right after the results were written leaves them.
        remove_folder(&run.checkpoints())?;
        return Ok(Outcome::Finished(results));
    }
    run.prepare(&plan.to_toml(), options.fresh)?;
    recover_folder(&run.best())?;
    if let Some(before) = plan.before() {
        watch(Event::Before { recipe: before.name() });
        let folder = RunFolder::new(run.path().join("before"));
        if let Outcome::Stopped { step } = finetune(before, &folder, options, watch)? {
            return Ok(Outcome::Stopped { step });
        }
        watch(Event::Before { recipe: plan.name() });
        let options = RunOptions { model_folder: folder.best(), ..options.clone() };
        return carry_out(plan, run, &options, watch);
    }
    carry_out(plan, run, options, watch)
}

/// Trains as a plan says, from the model of the options.
fn carry_out(
    plan: &Plan,
    run: &RunFolder,
    options: &RunOptions<'_>,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    let objectives = plan.recipe().objective.iter();
    let objectives = objectives.map(|o| (o.weight, o.method.init())).collect();
    let seed = split_seed(plan.recipe().seed, streams::DROPOUT);
    let passes = Passes::new(objectives, options.device.clone(), seed);
    let Data { labeled: data, pairs, blocks } = Data::read(plan, options, &passes)?;
    if let Some(data) = &data {
        watch(Event::Data(&data.corpus));
    }
    if let Some(pairs) = &pairs {
        watch(Event::Pairs(&pairs.sets));
    }
    let streams = Streams { pairs, blocks };
    let mut trainer = Trainer::new(plan, run, options, data.as_ref(), streams, passes, watch)?;
    if !trainer.train(watch)? {
        return Ok(Outcome::Stopped { step: trainer.progress.step });
    }
    trainer.finish(watch).map(|results| Outcome::Finished(Box::new(results)))
}

/// Everything that a plan trains on.
struct Data {
    labeled: Option<TrainingData>,
    pairs: Option<PairStream>,
    blocks: Option<BlockStream>,
}

impl Data {
    /// Reads it, after what can be told sooner has been checked.
    fn read(plan: &Plan, options: &RunOptions<'_>, passes: &Passes) -> Result<Self, Error> {
        let tokenizer_path = base_folder(&options.model_folder)?.join("tokenizer.json");
        let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
        let (config, n_positions) = read_config(&options.model_folder)?;
        check_vocabulary(&tokenizer, &tokenizer_path, &config)?;
        let (n_rows, width) = (config.vocab_size, config.hidden_size);
        let table = format!("embedding table of {n_rows} × {width}");
        let n_bytes = (n_rows as u64).saturating_mul(width as u64 * size_of::<f32>() as u64);
        check_buffer(&options.device_info, &table, n_bytes)?;
        let recipe = plan.recipe();
        let max_length = recipe.model.max_length.min(n_positions);
        let (objectives, pad, seed) = (&passes.objectives, config.pad_token_id, recipe.seed);
        let labeled = match recipe.task {
            Task::Retrieval { .. } | Task::LanguageModeling {} => None,
            Task::Classification {} | Task::Tagging { .. } => {
                Some(TrainingData::read(plan, &tokenizer, objectives, max_length, pad)?)
            }
        };
        let contrast = passes.contrast_texts();
        let masks = passes.needs_lm_head() || contrast.is_some_and(|texts| texts.masked);
        let masker = masks.then(|| Masker::new(recipe.masking, &tokenizer)).transpose()?;
        let linked = objectives.iter().any(|(_, objective)| objective.needs_links());
        let pairs = recipe.pairs.as_ref().map(|pairs| {
            let sets = PairSet::read_all(pairs, linked)?;
            let stream = PairStream::new(sets, pairs, &tokenizer, n_positions, pad, seed);
            Ok::<_, Error>(stream.with_texts(masker.clone(), contrast))
        });
        let blocks = recipe.monolingual.as_ref().zip(masker.clone()).map(|(texts, masker)| {
            BlockStream::read(texts, masker, &tokenizer, n_positions, pad, seed)
        });
        Ok(Self { labeled, pairs: pairs.transpose()?, blocks: blocks.transpose()? })
    }
}

/// Text without labels, batch by batch.
#[derive(Default)]
struct Streams {
    pairs: Option<PairStream>,
    blocks: Option<BlockStream>,
}

impl Streams {
    fn rounds(&mut self) -> [Option<&mut Rounds>; 2] {
        let pairs = self.pairs.as_mut().map(|pairs| &mut pairs.rounds);
        [pairs, self.blocks.as_mut().map(|blocks| &mut blocks.rounds)]
    }

    fn progress(&mut self) -> [Option<RoundsProgress>; 2] {
        self.rounds().map(|rounds| rounds.map(|rounds| rounds.progress()))
    }

    /// Goes on where a run with the same languages was; `false` if they are others.
    fn restore(&mut self, progress: [Option<RoundsProgress>; 2]) -> bool {
        let streams = self.rounds().into_iter().zip(progress);
        streams.fold(true, |fits, (rounds, progress)| match (rounds, progress) {
            (Some(rounds), Some(progress)) => rounds.restore(progress) && fits,
            _ => fits,
        })
    }

    /// Batches that show everything once.
    fn batches_per_epoch(&mut self) -> u64 {
        let rounds = self.rounds().into_iter().flatten();
        rounds.map(|rounds| rounds.batches_per_epoch()).max().unwrap_or(0)
    }
}

struct Trainer<'a> {
    plan: &'a Plan,
    run: &'a RunFolder,
    options: &'a RunOptions<'a>,
    /// None for a task without labels.
    data: Option<&'a TrainingData>,
    streams: Streams,
    head: Option<HeadSpec>,
    config_json: Value,
    /// What adapters stand on; none if the whole model is trained.
    base: Option<Base>,
    /// Taken out only while the optimizer changes it.
    model: Option<Model>,
    optimizer: AdamW,
    passes: Passes,
    update: Box<dyn Update<Error>>,
    schedules: Vec<Box<dyn Schedule>>,
    learning_rate: LearningRateConfig,
    steps_per_epoch: u64,
    progress: Progress,
    log: MetricsLog,
    rule: String,
    /// What leaves the frozen layers, if it is kept.
    frozen_states: Option<FrozenStates>,
}

/// Streams of random numbers, drawn apart from the recipe's seed.
mod streams {
    pub(super) const HEAD: u64 = 0;
    pub(super) const ORDER: u64 = 1;
    pub(super) const DROPOUT: u64 = 2;
    pub(super) const VIEWS: u64 = 3;
    pub(super) const GUIDE: u64 = 4;
    pub(super) const MEASURE: u64 = 5;
    pub(super) const PAIRS: u64 = 6;
    pub(super) const PROJECTIONS: u64 = 7;
    pub(super) const MONOLINGUAL: u64 = 8;
    pub(super) const ADAPTER: u64 = 9;
    pub(super) const UNFREEZING: u64 = 10;
}

impl<'a> Trainer<'a> {
    fn new(
        plan: &'a Plan,
        run: &'a RunFolder,
        options: &'a RunOptions<'a>,
        data: Option<&'a TrainingData>,
        mut streams: Streams,
        mut passes: Passes,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self, Error> {
        let recipe = plan.recipe();
        let labels = data.map(|data| data.corpus.labels.names().to_vec()).unwrap_or_default();
        let head = match recipe.task {
            Task::Classification {} => Some(HeadSpec::sequence(labels, recipe.model.pooling)),
            Task::Tagging { .. } => Some(HeadSpec::tokens(labels)),
            Task::Retrieval { .. } | Task::LanguageModeling {} => None,
        };
        if let Some(folder) = &options.teacher_folder {
            let head = head.as_ref().filter(|_| passes.needs_labels_of_teacher());
            passes.teacher = Some(load_teacher(folder, head, &options.device)?);
        }

        if let (Some(language), Some(data)) = (&recipe.language_adapter, data) {
            language.check(plan.source(), data.corpus.tests.iter().map(|set| &set.language))?;
        }
        let device = options.device.clone().autodiff();
        let adamw = recipe.optimizer.adamw.clone();
        let newest = run.newest_checkpoint()?.map(|(_, folder)| folder);
        let Checkpoint { loaded, optimizer, progress } = match &newest {
            Some(folder) => {
                checkpoint::read(folder, head.as_ref(), adamw, passes.needs_lm_head(), &device)?
            }
            None => {
                let seed = split_seed(recipe.seed, streams::HEAD);
                let choice = match &head {
                    Some(spec) => HeadChoice::New { spec: spec.clone(), seed },
                    None => HeadChoice::Without,
                };
                let load = if passes.needs_lm_head() { load_masked_lm } else { load };
                let mut loaded = load(&options.model_folder, &choice, &device)?;
                let hidden_size = loaded.model.encoder.config().hidden_size;
                let widths = passes.projections(hidden_size).into_iter().map(|(_, widths)| widths);
                let seed = split_seed(recipe.seed, streams::PROJECTIONS);
                let widths: Vec<_> = widths.collect();
                loaded.model = loaded.model.with_projections(&widths, seed, &device);
                if let Some(language) = &recipe.language_adapter {
                    language.add_to(&mut loaded.model, plan.source())?;
                }
                let seed = split_seed(recipe.seed, streams::ADAPTER);
                AdapterRecipe::add_to(&mut loaded.model, recipe, seed)?;
                let (optimizer, progress) = (AdamW::new(adamw), Progress::default());
                Checkpoint { loaded, optimizer, progress }
            }
        };
        let LoadedModel { model, config_json, report, .. } = loaded;
        let encoder = &model.encoder;
        if recipe.adapter.is_none()
            && !(encoder.adapters().is_empty() && encoder.loras().is_empty())
        {
            let source = &recipe.model.source;
            let problem =
                format!("{source} has adapters: train another one above them, with [adapter]");
            return Err(Error::Unsuitable(problem));
        }
        let n_layers = model.encoder.config().num_hidden_layers;
        recipe.schedule.check_layers(n_layers).map_err(Error::Unsuitable)?;
        let scope = AdapterRecipe::scope(recipe);
        let seed = split_seed(recipe.seed, streams::UNFREEZING);
        let mut schedules = recipe.schedule.init(n_layers, &scope, seed);
        unfreezing::resume(&mut schedules, &progress.opens_at);

        let n_batches = match data {
            Some(data) => {
                data.corpus.train.features.len().div_ceil(recipe.training.batch_size) as u64
            }
            None => streams.batches_per_epoch(),
        };
        let steps_per_epoch = n_batches.div_ceil(recipe.training.accumulate);
        let all_steps = steps_per_epoch.saturating_mul(recipe.training.epochs);
        let total_steps = recipe.training.max_steps.map_or(all_steps, |max| max.min(all_steps));
        let warmup_steps = (recipe.optimizer.warmup_ratio * total_steps as f64).ceil() as u64;
        if let Some(folder) = &newest {
            progress.check(folder, total_steps)?;
        }
        let (mut n_parameters, mut n_trainable) = (0, 0);
        for param in named_parameters(&model) {
            let size: usize = param.shape.iter().product();
            n_parameters += size;
            let may_train = schedules.iter().all(|rule| rule.may_train(&param.path));
            n_trainable += if may_train { size } else { 0 };
        }
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

        let base = recipe.adapter.as_ref().map(|_| {
            Ok::<_, Error>(Base {
                name: recipe.model.source.clone(),
                folder: std::path::absolute(&options.model_folder)
                    .map_err(io(&options.model_folder))?,
            })
        });
        let base = base.transpose()?;
        let environment =
            Environment::new(&options.device_info, recipe, [n_parameters, n_trainable]);
        run.write_json("environment.json", &environment)?;
        let log = MetricsLog::open(run.metrics(), progress.log_len)?;
        let rule = match recipe.task {
            Task::Retrieval { .. } | Task::LanguageModeling {} => "the last step".to_owned(),
            Task::Classification {} | Task::Tagging { .. } => format!(
                "highest {} on the dev set of {}, the earliest of equals",
                recipe.task.metric(),
                plan.source()
            ),
        };
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
            rule,
            frozen_states: None,
        })
    }

    fn model(&self) -> &Model {
        self.model.as_ref().expect("it is away only inside `optimize`")
    }

    /// The model as it is used after training.
    fn finished_model(&self) -> Model {
        let model = self.model().clone();
        if self.passes.normalizes_head() { model.with_normalized_head() } else { model }
    }

    /// Trains to the last step; `false` if it was stopped before.
    fn train(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, Error> {
        let (plan, data) = (self.plan, self.data);
        let accumulate = plan.recipe().training.accumulate;
        let training = &plan.recipe().training;
        let total_steps = self.learning_rate.total_steps;
        watch(Event::Begin { step: self.progress.step, total_steps, rule: &self.rule });
        if self.progress.step == 0 {
            self.measure(watch)?;
            self.score_start(watch)?;
        }
        std::thread::scope(|scope| {
            let (step, per_epoch) = (self.progress.step, self.steps_per_epoch);
            let batches = data.map(|data| data.stream(scope, plan, step, per_epoch));
            let first_step = self.progress.step;
            while self.progress.step < total_steps {
                self.open_layers(watch)?;
                if self.progress.step == first_step {
                    self.keep_frozen_states(watch)?;
                }
                let first = self.progress.step * accumulate;
                let group = match &batches {
                    Some(ready) => {
                        ready.recv().expect("batches are made until nobody takes them")?
                    }
                    None => (first..first + accumulate).map(StepBatch::empty).collect(),
                };
                self.optimize(group, watch)?;
                let step = self.progress.step;
                let ends_epoch = step.is_multiple_of(self.steps_per_epoch) || step == total_steps;
                let stopped = self.options.stop.load(Ordering::Relaxed);
                if self.measures_at(step) {
                    self.measure(watch)?;
                }
                if ends_epoch {
                    self.select(watch)?;
                }
                if ends_epoch || stopped || step.is_multiple_of(training.checkpoint_every) {
                    self.write_checkpoint(watch)?;
                }
                if stopped && step < total_steps {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Takes one optimizer step over a group of batches.
    fn optimize(
        &mut self,
        mut group: Vec<StepBatch>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        let step = self.progress.step;
        let total_steps = self.learning_rate.total_steps;
        let model = self.model.take().expect("it is put back at the end of each step");
        let model = apply_schedules(model, &self.schedules, Moment { step, total_steps });

        let drawn = self.add_unlabeled(&mut group)?;
        self.skip_frozen_layers(&model, &mut group);
        let n_tokens: usize = group.iter().map(StepBatch::n_tokens).sum();
        let logs = self.logs_at(step + 1);
        let mut learner = StepLearner::new(&self.passes, &model, group, self.data_path())?;
        if logs {
            learner = learner.comparing();
        }
        let gradients = self.update.gradients(&model, step, &mut learner)?;
        let losses = learner.losses.take().expect("every update asks for the loss's gradient");
        for (loss, name) in losses.iter().zip(self.passes.names()) {
            if !loss.is_finite() {
                return Err(self.not_finite("loss", *loss, name.to_owned()));
            }
        }
        let (keys, cosine) = (std::mem::take(&mut learner.keys), learner.cosine);
        drop(learner);
        let learning_rate = self.learning_rate.at(step);
        let (model, grad_norm) = self.optimizer.step(model, gradients, learning_rate);
        if !grad_norm.is_finite() {
            let names = self.passes.names().join(" + ");
            return Err(self.not_finite("gradient norm", grad_norm, names));
        }
        memory::follow(&mut self.passes, &model, keys);
        self.model = Some(model);
        let loss = self.passes.auxiliary_total(&losses);
        for (rounds, languages) in self.streams.rounds().into_iter().zip(drawn) {
            let Some(rounds) = rounds else { continue };
            languages.into_iter().for_each(|language| rounds.record(language, loss));
        }
        self.progress.step += 1;
        self.progress.seconds += began.elapsed().as_secs_f64();
        self.progress.add_losses(&losses);

        let loss = self.passes.total(&losses);
        let tokens_per_sec = n_tokens as f64 / began.elapsed().as_secs_f64();
        let step = self.progress.step;
        watch(Event::Step { step, total_steps, loss, tokens_per_sec });
        if logs {
            let losses = self.progress.take_mean_losses();
            let mut line = json!({
                "kind": "train", "step": step, "epoch": self.epoch(),
                "loss": self.passes.total(&losses), "grad_norm": grad_norm, "lr": learning_rate,
                "tokens_per_sec": tokens_per_sec, "seconds": self.progress.seconds,
            });
            if losses.len() > 1 {
                line["losses"] = self.passes.by_name(&losses);
            }
            if let Some(cosine) = cosine {
                line["gradient_cosine"] = json!(cosine);
            }
            self.log.write(&line)?;
        }
        Ok(())
    }

    fn logs_at(&self, step: u64) -> bool {
        let every = self.plan.recipe().training.log_every;
        step.is_multiple_of(every) || step == self.learning_rate.total_steps
    }

    /// Draws the pairs and the blocks of each batch that objectives read; returns the languages of
    /// both.
    fn add_unlabeled(&mut self, group: &mut [StepBatch]) -> Result<[Vec<usize>; 2], Error> {
        let texts = self.passes.texts();
        let reads_blocks = texts.contains(&TextView::Monolingual);
        let reads_pairs = texts.iter().any(|t| !t.is_of_task() && *t != TextView::Monolingual);
        let mut languages = [Vec::new(), Vec::new()];
        for batch in group {
            if let (Some(pairs), true) = (&mut self.streams.pairs, reads_pairs) {
                let drawn = pairs.draw(batch.number, &texts)?;
                languages[0].push(drawn.language);
                batch.add(drawn);
            }
            if let (Some(blocks), true) = (&mut self.streams.blocks, reads_blocks) {
                let (language, blocks) = blocks.draw(batch.number)?;
                languages[1].push(language);
                batch.add_blocks(blocks);
            }
        }
        Ok(languages)
    }

    /// The file that stands for the training data in messages.
    fn data_path(&self) -> &Path {
        let pairs =
            || self.streams.pairs.as_ref().and_then(|pairs| Some(&pairs.sets.first()?.path));
        let path = self.data.map(|data| &data.corpus.train.path).or_else(pairs);
        path.map_or(Path::new(""), PathBuf::as_path)
    }

    fn not_finite(&self, quantity: &'static str, value: f64, objective: String) -> Error {
        let hint = match self.run.newest_checkpoint() {
            Ok(Some((step, _))) => format!("; the checkpoint of step {step} is intact"),
            _ => String::new(),
        };
        Error::NotFinite { step: self.progress.step + 1, quantity, value, objective, hint }
    }

    fn epoch(&self) -> f64 {
        self.progress.step as f64 / self.steps_per_epoch as f64
    }
}
