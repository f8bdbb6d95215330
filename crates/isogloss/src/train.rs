//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_kernels::split_seed;
use isogloss_methods::{
    AdamW, Gradients, LearningRateConfig, Moment, Objective, Schedule, StepInput, apply_schedules,
};
use isogloss_model::{
    HeadChoice, HeadSpec, LoadedModel, Model, Pass, load, named_parameters, save,
};
use isogloss_text::{Targets, TokenBatch, Tokenizer};
use serde_json::{Value, json};

use crate::checkpoint::{self, Best, Progress};
use crate::data::check_vocabulary;
use crate::device::{DeviceInfo, check_buffer};
use crate::environment::Environment;
use crate::error::io;
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
    let mut trainer = Trainer::new(plan, run, options, watch)?;
    if !trainer.train(watch)? {
        return Ok(Outcome::Stopped { step: trainer.progress.step });
    }
    trainer.finish(watch).map(|results| Outcome::Finished(Box::new(results)))
}

struct Trainer<'a> {
    plan: &'a Plan,
    run: &'a RunFolder,
    options: &'a RunOptions<'a>,
    corpus: Corpus,
    head: HeadSpec,
    config_json: Value,
    /// Taken out only while the optimizer changes it.
    model: Option<Model>,
    optimizer: AdamW,
    objectives: Vec<(f64, Box<dyn Objective>)>,
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
}

impl<'a> Trainer<'a> {
    fn new(
        plan: &'a Plan,
        run: &'a RunFolder,
        options: &'a RunOptions<'a>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self, Error> {
        let recipe = plan.recipe();
        let tokenizer_path = options.model_folder.join("tokenizer.json");
        let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
        let (model_config, n_positions) = read_config(&options.model_folder)?;
        check_vocabulary(&tokenizer, &tokenizer_path, &model_config)?;
        let (n_rows, width) = (model_config.vocab_size, model_config.hidden_size);
        let table = format!("embedding table of {n_rows} × {width}");
        let n_bytes = (n_rows as u64).saturating_mul(width as u64 * size_of::<f32>() as u64);
        check_buffer(&options.device_info, &table, n_bytes)?;

        let corpus = Corpus::read(plan, &tokenizer, recipe.model.max_length.min(n_positions))?;
        watch(Event::Data(&corpus));
        let labels = corpus.labels.names().to_vec();
        let head = match recipe.task {
            Task::Classification {} => HeadSpec::sequence(labels, recipe.model.pooling),
            Task::Tagging { .. } => HeadSpec::tokens(labels),
        };

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

        let n_batches = corpus.train.features.len().div_ceil(recipe.training.batch_size) as u64;
        let steps_per_epoch = n_batches.div_ceil(recipe.training.accumulate);
        let all_steps = steps_per_epoch.saturating_mul(recipe.training.epochs);
        let total_steps = recipe.training.max_steps.map_or(all_steps, |max| max.min(all_steps));
        let warmup_steps = (recipe.optimizer.warmup_ratio * total_steps as f64).ceil() as u64;

        if let Some(folder) = newest {
            progress.check(&folder, total_steps)?;
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
            corpus,
            head,
            config_json,
            model: Some(model),
            optimizer,
            objectives: recipe
                .objective
                .iter()
                .map(|objective| (objective.weight, objective.method.init()))
                .collect(),
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

    /// Trains to the last step; `false` if it was stopped before.
    fn train(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, Error> {
        let training = &self.plan.recipe().training;
        let total_steps = self.learning_rate.total_steps;
        watch(Event::Begin { step: self.progress.step, total_steps, rule: &self.rule });
        let order_seed = split_seed(self.plan.recipe().seed, streams::ORDER);
        let lengths = self.corpus.train.lengths();
        while self.progress.step < total_steps {
            let epoch = self.progress.step / self.steps_per_epoch;
            let batches = training.order.epoch(&lengths, training.batch_size, order_seed, epoch);
            let first = (self.progress.step % self.steps_per_epoch) as usize;
            let groups = batches.chunks(training.accumulate as usize);
            for group in groups.skip(first) {
                self.optimize(group, watch)?;
                let step = self.progress.step;
                let ends_epoch = step.is_multiple_of(self.steps_per_epoch) || step == total_steps;
                let stopped = self.options.stop.load(Ordering::Relaxed);
                if ends_epoch {
                    self.select(watch)?;
                }
                if ends_epoch || stopped || step.is_multiple_of(training.checkpoint_every) {
                    self.write_checkpoint(watch)?;
                }
                if stopped && step < total_steps {
                    return Ok(false);
                }
                if step == total_steps {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Takes one optimizer step over a group of batches.
    fn optimize(
        &mut self,
        group: &[Vec<usize>],
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        let step = self.progress.step;
        let total_steps = self.learning_rate.total_steps;
        let model = self.model.take().expect("it is put back at the end of each step");
        let model = apply_schedules(model, &self.schedules, Moment { step, total_steps });

        let (mut gradients, mut losses, mut n_tokens) = (Gradients::default(), 0.0, 0);
        for (index, batch) in group.iter().enumerate() {
            let number = step * self.plan.recipe().training.accumulate + index as u64;
            let (loss, tokens) = self.loss(&model, batch, number)?;
            let loss = loss / group.len() as f64;
            let value = f64::from(loss.clone().into_scalar::<f32>());
            if !value.is_finite() {
                return Err(self.not_finite("loss", value));
            }
            losses += value;
            n_tokens += tokens;
            gradients = gradients.plus(Gradients::of(&loss, &model));
        }
        let learning_rate = self.learning_rate.at(step);
        let (model, grad_norm) = self.optimizer.step(model, gradients, learning_rate);
        if !grad_norm.is_finite() {
            return Err(self.not_finite("gradient norm", grad_norm));
        }
        self.model = Some(model);
        self.progress.step += 1;
        self.progress.loss_sum += losses;
        self.progress.loss_n += 1;

        let tokens_per_sec = n_tokens as f64 / began.elapsed().as_secs_f64();
        let step = self.progress.step;
        watch(Event::Step { step, total_steps, loss: losses, tokens_per_sec });
        if step.is_multiple_of(self.plan.recipe().training.log_every) || step == total_steps {
            let loss = self.progress.loss_sum / self.progress.loss_n as f64;
            self.log.write(&json!({
                "kind": "train", "step": step, "epoch": self.epoch(), "loss": loss,
                "grad_norm": grad_norm, "lr": learning_rate, "tokens_per_sec": tokens_per_sec,
            }))?;
            (self.progress.loss_sum, self.progress.loss_n) = (0.0, 0);
        }
        Ok(())
    }

    /// The weighted sum of all objectives over one batch, and its real tokens.
    fn loss(
        &self,
        model: &Model,
        indices: &[usize],
        number: u64,
    ) -> Result<(Tensor<1>, usize), Error> {
        let device = self.options.device.clone().autodiff();
        let (batch, input) = self.corpus.train.batch(indices, model.encoder.config(), &device)?;
        let seed = split_seed(self.plan.recipe().seed, streams::DROPOUT);
        let pass = Pass::training(split_seed(seed, number));
        let step_input =
            StepInput { output: model.forward(&input, &pass), targets: targets(&batch, &device) };
        let mut total = None;
        for (weight, objective) in &self.objectives {
            let loss = objective.loss(&step_input)? * *weight;
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let n_tokens = batch.attention_mask.iter().filter(|real| **real != 0).count();
        Ok((total.expect("a plan has at least one objective"), n_tokens))
    }

    fn not_finite(&self, quantity: &'static str, value: f64) -> Error {
        let names: Vec<_> = self.objectives.iter().map(|(_, o)| o.name()).collect();
        let hint = match self.run.newest_checkpoint() {
            Ok(Some((step, _))) => format!("; the checkpoint of step {step} is intact"),
            _ => String::new(),
        };
        let (step, objective) = (self.progress.step + 1, names.join(" + "));
        Error::NotFinite { step, quantity, value, objective, hint }
    }

    fn epoch(&self) -> f64 {
        self.progress.step as f64 / self.steps_per_epoch as f64
    }

    /// Scores the dev set and keeps the model if it is the best so far.
    fn select(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let (result, _) = self.evaluator(self.model()).score(&self.corpus.dev)?;
        let (step, score) = (self.progress.step, result.scores.main());
        let is_best = self.progress.best.is_none_or(|best| score > best.score);
        watch(Event::Dev { step, scores: &result.scores, is_best });
        let mut line = json!({
            "kind": "dev", "step": step, "epoch": self.epoch(), "language": self.plan.source(),
        });
        if let (Some(line), Ok(Value::Object(scores))) =
            (line.as_object_mut(), serde_json::to_value(&result.scores))
        {
            line.extend(scores);
        }
        self.log.write(&line)?;
        if is_best {
            self.progress.best = Some(Best { step, score });
            replace_folder(&self.run.best(), |folder| {
                save(folder, self.model(), Some(&self.head), &self.config_json)?;
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
        let labels = &self.corpus.labels;
        let results = self.evaluator(&chosen).score_all(
            &self.corpus.tests,
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
            labels: &self.corpus.labels,
            batch_size: self.plan.recipe().training.evaluation_batch_size,
            device: &self.options.device,
        }
    }
}

fn targets(batch: &TokenBatch, device: &Device) -> Option<Tensor<1, Int>> {
    let values = match &batch.targets {
        Targets::None => return None,
        Targets::Classes(values) | Targets::Tokens(values) => values.clone(),
    };
    let shape = [values.len()];
    Some(Tensor::from_data(TensorData::new(values, shape), device))
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
