//! The training loop.

mod batches;
mod guide;
mod learner;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use isogloss_kernels::split_seed;
use isogloss_methods::{AdamW, LearningRateConfig, Moment, Schedule, Update, apply_schedules};
use isogloss_model::{HeadChoice, HeadSpec, LoadedModel, Model, load, named_parameters, save};
use isogloss_text::Tokenizer;
use serde::Serialize;
use serde_json::{Value, json};

use self::batches::{StepBatch, TrainingData};
use self::learner::{Passes, StepLearner};

use crate::checkpoint::{self, Best, Progress};
use crate::data::check_vocabulary;
use crate::device::{DeviceInfo, check_buffer};
use crate::environment::Environment;
use crate::error::io;
use crate::fisher::Measures;
use crate::run_folder::{MetricsLog, recover_folder, remove_folder, replace_folder};
use crate::{
    Corpus, Error, Evaluator, Plan, Results, RunFolder, RunStatus, Scores, Selection, Task,
};

/// What a run needs besides its plan.
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
    /// The data has been read.
    Data(&'a Corpus),
    /// The model has been built; these parameters are new.
    Model {
        /// Their number in all.
        n_parameters: usize,
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
    let objectives = plan.recipe().objective.iter();
    let objectives = objectives.map(|o| (o.weight, o.method.init())).collect();
    let seed = split_seed(plan.recipe().seed, streams::DROPOUT);
    let passes = Passes::new(objectives, options.device.clone(), seed);
    let data = read_data(plan, options, &passes)?;
    watch(Event::Data(&data.corpus));
    let mut trainer = Trainer::new(plan, run, options, &data, passes, watch)?;
    if !trainer.train(watch)? {
        return Ok(Outcome::Stopped { step: trainer.progress.step });
    }
    trainer.finish(watch).map(|results| Outcome::Finished(Box::new(results)))
}

/// Reads the training data, after what can be told sooner has been checked.
fn read_data(
    plan: &Plan,
    options: &RunOptions<'_>,
    passes: &Passes,
) -> Result<TrainingData, Error> {
    let tokenizer_path = options.model_folder.join("tokenizer.json");
    let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
    let (config, n_positions) = read_config(&options.model_folder)?;
    check_vocabulary(&tokenizer, &tokenizer_path, &config)?;
    let (n_rows, width) = (config.vocab_size, config.hidden_size);
    let table = format!("embedding table of {n_rows} × {width}");
    let n_bytes = (n_rows as u64).saturating_mul(width as u64 * size_of::<f32>() as u64);
    check_buffer(&options.device_info, &table, n_bytes)?;
    let max_length = plan.recipe().model.max_length.min(n_positions);
    TrainingData::read(plan, &tokenizer, &passes.objectives, max_length, config.pad_token_id)
}

struct Trainer<'a> {
    plan: &'a Plan,
    run: &'a RunFolder,
    options: &'a RunOptions<'a>,
    data: &'a TrainingData,
    head: HeadSpec,
    config_json: Value,
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
}

/// Streams of random numbers, drawn apart from the recipe's seed.
mod streams {
    pub(super) const HEAD: u64 = 0;
    pub(super) const ORDER: u64 = 1;
    pub(super) const DROPOUT: u64 = 2;
    pub(super) const VIEWS: u64 = 3;
    pub(super) const GUIDE: u64 = 4;
    pub(super) const MEASURE: u64 = 5;
}

impl<'a> Trainer<'a> {
    fn new(
        plan: &'a Plan,
        run: &'a RunFolder,
        options: &'a RunOptions<'a>,
        data: &'a TrainingData,
        mut passes: Passes,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self, Error> {
        let recipe = plan.recipe();
        let labels = data.corpus.labels.names().to_vec();
        let head = match recipe.task {
            Task::Classification {} => HeadSpec::sequence(labels, recipe.model.pooling),
            Task::Tagging { .. } => HeadSpec::tokens(labels),
        };
        if let Some(folder) = &options.teacher_folder {
            passes.teacher = Some(load_teacher(folder, &head, &options.device)?);
        }

        let device = options.device.clone().autodiff();
        let adamw = recipe.optimizer.adamw.clone();
        let newest = run.newest_checkpoint()?.map(|(_, folder)| folder);
        let (loaded, optimizer, progress) = match &newest {
            Some(folder) => checkpoint::read(folder, &head, adamw, &device)?,
            None => {
                let seed = split_seed(recipe.seed, streams::HEAD);
                let choice = HeadChoice::New { spec: head.clone(), seed };
                let loaded = load(&options.model_folder, &choice, &device)?;
                (loaded, AdamW::new(adamw), Progress::default())
            }
        };
        let LoadedModel { model, config_json, report, .. } = loaded;
        let n_parameters =
            named_parameters(&model).iter().map(|p| p.shape.iter().product::<usize>()).sum();
        watch(Event::Model { n_parameters, fresh: &report.fresh });

        let n_batches =
            data.corpus.train.features.len().div_ceil(recipe.training.batch_size) as u64;
        let steps_per_epoch = n_batches.div_ceil(recipe.training.accumulate);
        let all_steps = steps_per_epoch.saturating_mul(recipe.training.epochs);
        let total_steps = recipe.training.max_steps.map_or(all_steps, |max| max.min(all_steps));
        let warmup_steps = (recipe.optimizer.warmup_ratio * total_steps as f64).ceil() as u64;
        if let Some(folder) = &newest {
            progress.check(folder, total_steps)?;
        }
        if let Some(config) = &recipe.guided_dropout {
            let is_new = newest.is_none();
            let guide = guide::unit_dropout(config, plan, run, data, &model, is_new, &passes)?;
            passes.unit_dropout = Some(guide);
        }

        let environment =
            Environment::new(&options.device_info, recipe.seed, &recipe.model.source, n_parameters);
        run.write_json("environment.json", &environment)?;
        let log = MetricsLog::open(run.metrics(), progress.log_len)?;
        let rule = format!(
            "highest {} on the dev set of {}, the earliest of equals",
            recipe.task.metric(),
            plan.source()
        );
        Ok(Self {
            plan,
            run,
            options,
            data,
            head,
            config_json,
            model: Some(model),
            optimizer,
            passes,
            update: recipe.update.init(),
            schedules: recipe.schedule.init(),
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
        let training = &plan.recipe().training;
        let total_steps = self.learning_rate.total_steps;
        watch(Event::Begin { step: self.progress.step, total_steps, rule: &self.rule });
        if self.progress.step == 0 {
            self.measure(watch)?;
        }
        std::thread::scope(|scope| {
            let batches = data.stream(scope, plan, self.progress.step, self.steps_per_epoch);
            while self.progress.step < total_steps {
                let group = batches.recv().expect("batches are made until nobody takes them");
                self.optimize(group?, watch)?;
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
        group: Vec<StepBatch>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        let step = self.progress.step;
        let total_steps = self.learning_rate.total_steps;
        let model = self.model.take().expect("it is put back at the end of each step");
        let model = apply_schedules(model, &self.schedules, Moment { step, total_steps });

        let n_tokens: usize = group.iter().map(StepBatch::n_tokens).sum();
        let path = &self.data.corpus.train.path;
        let mut learner = StepLearner::new(&self.passes, &model, group, path)?;
        let gradients = self.update.gradients(&model, step, &mut learner)?;
        let losses = learner.losses.take().expect("every update asks for the loss's gradient");
        for (loss, name) in losses.iter().zip(self.passes.names()) {
            if !loss.is_finite() {
                return Err(self.not_finite("loss", *loss, name.to_owned()));
            }
        }
        drop(learner);
        let learning_rate = self.learning_rate.at(step);
        let (model, grad_norm) = self.optimizer.step(model, gradients, learning_rate);
        if !grad_norm.is_finite() {
            let names = self.passes.names().join(" + ");
            return Err(self.not_finite("gradient norm", grad_norm, names));
        }
        self.model = Some(model);
        self.progress.step += 1;
        self.progress.add_losses(&losses);

        let loss = self.passes.total(&losses);
        let tokens_per_sec = n_tokens as f64 / began.elapsed().as_secs_f64();
        let step = self.progress.step;
        watch(Event::Step { step, total_steps, loss, tokens_per_sec });
        if step.is_multiple_of(self.plan.recipe().training.log_every) || step == total_steps {
            let losses = self.progress.take_mean_losses();
            let mut line = json!({
                "kind": "train", "step": step, "epoch": self.epoch(),
                "loss": self.passes.total(&losses), "grad_norm": grad_norm, "lr": learning_rate,
                "tokens_per_sec": tokens_per_sec,
            });
            if losses.len() > 1 {
                line["losses"] = self.passes.by_name(&losses);
            }
            self.log.write(&line)?;
        }
        Ok(())
    }

    fn not_finite(&self, quantity: &'static str, value: f64, objective: String) -> Error {
        let hint = match self.run.newest_checkpoint() {
            Ok(Some((step, _))) => format!("; the checkpoint of step {step} is intact"),
            _ => String::new(),
        };
        Error::NotFinite { step: self.progress.step + 1, quantity, value, objective, hint }
    }

    fn measures_at(&self, step: u64) -> bool {
        let is_last = step == self.learning_rate.total_steps;
        let measure = self.plan.recipe().measure.as_ref();
        measure.is_some_and(|measure| is_last || step.is_multiple_of(measure.every))
    }

    /// Logs the Fisher information and the sharpness on the dev set, if the recipe asks for them.
    fn measure(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let Some(measure) = &self.plan.recipe().measure else { return Ok(()) };
        let step = self.progress.step;
        let options = measure.options(split_seed(self.plan.recipe().seed, streams::MEASURE));
        let model = self.finished_model();
        let measures =
            Measures::take(&model, &self.data.corpus.dev, &self.options.device, &options)?;
        watch(Event::Measures { step, measures: &measures });
        let mut line = json!({ "kind": "measure", "step": step, "epoch": self.epoch() });
        extend(&mut line, &measures);
        self.log.write(&line)
    }

    fn epoch(&self) -> f64 {
        self.progress.step as f64 / self.steps_per_epoch as f64
    }

    /// Scores the dev set and keeps the model if it is the best so far.
    fn select(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let model = self.finished_model();
        let (result, _) = self.evaluator(&model).score(&self.data.corpus.dev)?;
        let (step, score) = (self.progress.step, result.scores.main());
        let is_best = self.progress.best.is_none_or(|best| score > best.score);
        watch(Event::Dev { step, scores: &result.scores, is_best });
        let mut line = json!({
            "kind": "dev", "step": step, "epoch": self.epoch(), "language": self.plan.source(),
        });
        extend(&mut line, &result.scores);
        self.log.write(&line)?;
        if is_best {
            self.progress.best = Some(Best { step, score });
            replace_folder(&self.run.best(), |folder| {
                save(folder, &model, Some(&self.head), &self.config_json)?;
                copy_tokenizer(&self.options.model_folder, folder)
            })?;
        }
        Ok(())
    }

    fn write_checkpoint(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        self.progress.log_len = self.log.sync()?;
        checkpoint::write(
            self.run,
            &self.progress,
            self.model(),
            &self.head,
            &self.config_json,
            &self.optimizer,
        )?;
        watch(Event::Checkpoint { step: self.progress.step });
        Ok(())
    }

    /// Scores the chosen model in every language and writes the results.
    fn finish(mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<Results, Error> {
        let best = self.progress.best.expect("the last step was followed by a selection");
        // Training's tensors make room before the chosen model comes in.
        self.model = None;
        self.optimizer = AdamW::new(self.plan.recipe().optimizer.adamw.clone());
        let chosen = load(&self.run.best(), &HeadChoice::Saved, &self.options.device)?.model;
        let selection = Selection { rule: self.rule.clone(), step: best.step, score: best.score };
        let labels = &self.data.corpus.labels;
        let results = self.evaluator(&chosen).score_all(
            &self.data.corpus.tests,
            self.plan.source(),
            selection,
            &mut |set, result, predicted| {
                watch(Event::Language { language: set.language.as_str(), scores: &result.scores });
                let names = |ids: &Vec<usize>| -> Vec<String> {
                    let name = |id: &usize| labels.name(*id as u32).unwrap_or_default();
                    ids.iter().map(|id| name(id).to_owned()).collect()
                };
                self.run.write_predictions(set.language.as_str(), predicted.iter().map(names))
            },
        )?;
        self.run.write_json("results.json", &results)?;
        remove_folder(&self.run.checkpoints())?;
        Ok(results)
    }

    fn evaluator<'b>(&'b self, model: &'b Model) -> Evaluator<'b> {
        Evaluator {
            model,
            task: &self.plan.recipe().task,
            labels: &self.data.corpus.labels,
            batch_size: self.plan.recipe().training.evaluation_batch_size,
            device: &self.options.device,
        }
    }
}

/// Adds the fields of `more` to a JSON object.
fn extend(line: &mut Value, more: &impl Serialize) {
    let more = serde_json::to_value(more).expect("these types are printable");
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
}

/// A finished model with the labels of this run.
fn load_teacher(folder: &Path, head: &HeadSpec, device: &Device) -> Result<Model, Error> {
    let loaded = load(folder, &HeadChoice::Saved, device)?;
    let labels = loaded.head.as_ref().map(HeadSpec::labels).unwrap_or_default();
    if labels == head.labels() {
        return Ok(loaded.model);
    }
    let problem = match labels.iter().find(|label| !head.labels().contains(label)) {
        _ if labels.is_empty() => {
            "the teacher has no head; name a finished run's `best`".to_owned()
        }
        Some(label) => format!("the teacher's label {label:?} is not in the training data"),
        None => format!(
            "the teacher has {} labels, the training data {}; their order must be the same too",
            labels.len(),
            head.labels().len()
        ),
    };
    Err(Error::Damaged { path: folder.join("config.json"), problem })
}

/// The encoder's sizes, and how many tokens it can take.
fn read_config(folder: &Path) -> Result<(isogloss_model::EncoderConfig, usize), Error> {
    let path = folder.join("config.json");
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let damaged = |problem: String| Error::Damaged { path: path.clone(), problem };
    let json = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let config = isogloss_model::EncoderConfig::from_json(&json).map_err(damaged)?;
    let n_positions = config.max_tokens();
    Ok((config, n_positions))
}

/// Copies what `transformers` needs to tokenize as the model was trained.
fn copy_tokenizer(from: &Path, to: &Path) -> Result<(), Error> {
    for name in [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "sentencepiece.bpe.model",
        "vocab.txt",
    ] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).map_err(io(to.join(name)))?;
        }
    }
    Ok(())
}
