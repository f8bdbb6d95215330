//! The training loop.

mod batches;
mod begin;
mod contrast;
mod data;
mod event;
mod few_shot;
pub(crate) mod folders;
mod frozen_cache;
mod guide;
mod initial_model;
pub(crate) mod language_epochs;
mod learner;
mod memory;
mod monolingual;
mod pairs;
mod passes;
mod score;
mod teacher;
mod unfreezing;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use isogloss_kernels::split_seed;
use isogloss_methods::{
    AdamW, Importance, LearningRateConfig, Moment, Schedule, TextView, Update, apply_schedules,
};
use isogloss_model::{BaseModel, HeadSpec, Model};
use serde_json::{Value, json};

use self::batches::{StepBatch, TrainingData};
use self::data::{Data, Streams};
pub use self::event::{Event, Outcome, RunOptions};
use self::frozen_cache::FrozenStates;
use self::initial_model::initial_model;
use self::learner::StepGradients;
use self::passes::Passes;
use crate::checkpoint::Progress;
use crate::ground::files::recover_folder;
use crate::run_folder::MetricsLog;
use crate::tools::subnetwork::Subnetworks;

use crate::{Error, Plan, RunFolder, RunStatus};

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
        run.tidy(plan.recipe())?;
        return Ok(Outcome::Finished(results));
    }
    run.prepare(&plan.to_toml(), options.fresh)?;
    recover_folder(&run.best())?;
    let options = &initial_model(plan, run, options, watch)?;
    if let Some(pretrain) = plan.pretrain() {
        watch(Event::Recipe { name: pretrain.name() });
        let folder = run.pretrain();
        if let Outcome::Stopped { step } = finetune(pretrain, &folder, options, watch)? {
            return Ok(Outcome::Stopped { step });
        }
        watch(Event::Recipe { name: plan.name() });
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
    let seed = split_seed(plan.recipe().seed, streams::DROPOUT);
    let passes = Passes::new(plan.objectives(), options.device.clone(), seed);
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
    base: Option<BaseModel>,
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
    /// The parts of the model that languages use, if not all.
    subnetworks: Option<Subnetworks>,
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
    pub(super) const STUDENT: u64 = 11;
}

impl<'a> Trainer<'a> {
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
        self.skip_frozen_layers(&model, &mut group, watch);
        let n_tokens: usize = group.iter().map(StepBatch::n_tokens).sum();
        let logs = self.logs_at(step + 1);
        let mut learner = StepGradients::new(&self.passes, &model, group, self.data_path())?;
        if logs {
            learner = learner.comparing();
        }
        let gradients = self.update.gradients(&model, step, &mut learner)?;
        let losses = learner.losses();
        for (loss, name) in losses.iter().zip(self.passes.names()) {
            if !loss.is_finite() {
                return Err(self.not_finite("loss", *loss, name.to_owned()));
            }
        }
        let of_streams: Vec<Option<[f64; 2]>> = learner
            .values()
            .iter()
            .map(|values| values.as_ref().map(|values| self.passes.values_by_stream(values)))
            .collect();
        let (keys, cosine) = (std::mem::take(&mut learner.keys), learner.cosine);
        let importances = std::mem::take(&mut learner.importances);
        drop(learner);
        let learning_rate = self.learning_rate.at(step);
        let rates = self.plan.recipe().optimizer.rates(learning_rate);
        let (model, grad_norm) = self.optimizer.step(model, gradients, rates);
        if !grad_norm.is_finite() {
            let names = self.passes.names().join(" + ");
            return Err(self.not_finite("gradient norm", grad_norm, names));
        }
        memory::follow(&mut self.passes, &model, keys);
        self.draw_subnetworks(importances);
        self.model = Some(model);
        for (stream, (rounds, languages)) in
            self.streams.rounds().into_iter().zip(drawn).enumerate()
        {
            let Some(rounds) = rounds else { continue };
            for (language, values) in languages.into_iter().zip(&of_streams) {
                values.iter().for_each(|values| rounds.record(language, values[stream]));
            }
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

    /// Lets each source's subnetwork follow what its batches found to matter.
    fn draw_subnetworks(&mut self, importances: Vec<(usize, Importance)>) {
        let Some(subnetworks) = &mut self.subnetworks else { return };
        if subnetworks.are_dynamic() {
            subnetworks.follow(importances);
            self.passes.use_subnetworks(subnetworks);
        }
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
