//! The training loop.

use std::sync::atomic::Ordering;

use isogloss_methods::{AdamW, LearningRateConfig, Schedule, Update};
use isogloss_model::{BaseModel, HeadSpec, Model};
use serde_json::Value;

use super::event::{Event, RunOptions};
use super::folder::RunFolder;
use super::metrics_log::MetricsLog;
use super::progress::Progress;
use super::unread::UnreadSteps;
use crate::loader::{LabeledLoader, UnlabeledLoaders};
use crate::step::frozen_cache::FrozenCache;
use crate::step::{StepBatch, StepContext};
use crate::tools::subnetwork::Subnetworks;
use crate::{Error, Plan};

/// Trainer: the state of a training run, from its setup to its results.
pub(super) struct Trainer<'a> {
    pub(super) plan: &'a Plan,
    pub(super) run: &'a RunFolder,
    pub(super) options: &'a RunOptions<'a>,
    /// Labeled data; `None` for a task without labels.
    pub(super) data: Option<&'a LabeledLoader>,
    pub(super) unlabeled: UnlabeledLoaders,
    pub(super) head: Option<HeadSpec>,
    pub(super) config_json: Value,
    /// The base model of the adapters; `None` if the whole model is trained.
    pub(super) base: Option<BaseModel>,
    /// `None` only during an optimizer step.
    pub(super) model: Option<Model>,
    pub(super) optimizer: AdamW,
    pub(super) context: StepContext,
    pub(super) update: Box<dyn Update<Error>>,
    pub(super) schedules: Vec<Box<dyn Schedule>>,
    pub(super) learning_rate: LearningRateConfig,
    pub(super) steps_per_epoch: u64,
    pub(super) progress: Progress,
    pub(super) unread: UnreadSteps,
    pub(super) log: MetricsLog,
    /// Model selection criterion, in words.
    pub(super) rule: String,
    pub(super) frozen_cache: Option<FrozenCache>,
    /// Subnetworks of the languages; `None` if all use the whole model.
    pub(super) subnetworks: Option<Subnetworks>,
}

impl Trainer<'_> {
    /// Training loop: trains to the last step; returns `false` if it was stopped before.
    pub(super) fn train(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, Error> {
        let (plan, data, total_steps) = (self.plan, self.data, self.learning_rate.total_steps);
        let training = &plan.recipe().training;
        let first_step = self.progress.step;
        watch(Event::Begin { step: first_step, total_steps, rule: &self.rule });
        self.report_frozen_dropout(watch)?;
        if first_step == 0 {
            self.measure(watch)?;
            self.score_start(watch)?;
        }
        std::thread::scope(|scope| {
            let per_epoch = self.steps_per_epoch;
            let labeled = data.map(|data| data.stream(scope, plan, first_step, per_epoch));
            while self.progress.step < total_steps {
                self.unfreeze_layers(watch)?;
                if self.progress.step == first_step {
                    self.cache_frozen_layers(watch)?;
                }
                let first_batch = self.progress.step * training.accumulate;
                let batches = match &labeled {
                    Some(ready) => {
                        ready.recv().expect("batches are made until nobody takes them")?
                    }
                    None => (first_batch..first_batch + training.accumulate)
                        .map(StepBatch::empty)
                        .collect(),
                };
                self.optimize(batches, watch)?;
                let step = self.progress.step;
                let ends_epoch = step.is_multiple_of(per_epoch) || step == total_steps;
                let stopped = self.options.stop.load(Ordering::Relaxed);
                let measures = self.measures_at(step);
                let saves = ends_epoch || stopped || step.is_multiple_of(training.checkpoint_every);
                if measures || saves {
                    self.read_steps(watch)?;
                }
                if measures {
                    self.measure(watch)?;
                }
                if ends_epoch {
                    self.select(watch)?;
                }
                if saves {
                    self.write_checkpoint(watch)?;
                }
                if stopped && step < total_steps {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Optimizer steps done.
    pub(super) fn step(&self) -> u64 {
        self.progress.step
    }

    /// Epochs done.
    pub(super) fn epoch(&self) -> f64 {
        self.progress.step as f64 / self.steps_per_epoch as f64
    }

    pub(super) fn model(&self) -> &Model {
        self.model.as_ref().expect("it is away only inside `optimize`")
    }

    /// The model for inference: with spectral normalization of the head if the objectives require
    /// it.
    pub(super) fn finished_model(&self) -> Model {
        let model = self.model().clone();
        if self.context.plan.normalizes_head() { model.with_normalized_head() } else { model }
    }
}
