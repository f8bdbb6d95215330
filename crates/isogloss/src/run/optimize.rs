//! One optimizer step: gradients of a group of batches (gradient accumulation), the update, then
//! method states.

use std::path::{Path, PathBuf};
use std::time::Instant;

use isogloss_methods::{Gradients, MethodState, Moment, StepResults, apply_schedules};
use isogloss_model::Model;

use super::event::Event;
use super::trainer::Trainer;
use super::unread::UnreadStep;
use crate::Error;
use crate::step::{StepBatch, StepGradients, StepOutcome, SubnetworkMasks};

impl Trainer<'_> {
    /// Takes one optimizer step over a group of batches.
    pub(super) fn optimize(
        &mut self,
        mut batches: Vec<StepBatch>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        let step = self.progress.step;
        let total_steps = self.learning_rate.total_steps;
        let model = self.model.take().expect("it is put back at the end of each step");
        let model = apply_schedules(model, &self.schedules, Moment { step, total_steps });

        let languages = self.unlabeled.add_to(&mut batches, &self.context.plan.texts())?;
        self.skip_frozen_layers(&model, &mut batches, watch);
        let n_tokens: usize = batches.iter().map(StepBatch::n_tokens).sum();
        let (gradients, mut found) = self.gradients(&model, batches)?;
        let learning_rate = self.learning_rate.at(step);
        let rates = self.plan.recipe().optimizer.rates(learning_rate);
        let (model, grad_norm) = self.optimizer.step(model, gradients, rates);
        let (losses, cosine) = (std::mem::take(&mut found.losses), found.cosine);
        self.follow_step(&model, found);
        self.model = Some(model);
        self.progress.step += 1;
        let step = self.progress.step;
        self.unread.push(UnreadStep { step, losses, grad_norm, learning_rate, cosine, languages });
        self.unread.count(n_tokens, began.elapsed());
        if self.logs_at(step) || self.reads_every_step() {
            self.read_steps(watch)?;
        }
        Ok(())
    }

    /// Gradient of a group of batches, as the recipe's update rule combines it, with the losses and
    /// other results of the batches.
    fn gradients(
        &mut self,
        model: &Model,
        batches: Vec<StepBatch>,
    ) -> Result<(Gradients, StepOutcome), Error> {
        let step = self.progress.step;
        let logs = self.logs_at(step + 1);
        let path = data_path(self);
        let source = StepGradients::new(&self.context, model, batches, path)?;
        let mut source = source.at(self.share_of_steps(step));
        if logs {
            source = source.comparing();
        }
        let gradients = self.update.gradients(model, step, &mut source)?;
        Ok((gradients, source.into_outcome()))
    }

    /// Updates the states of methods after an optimizer step.
    fn follow_step(&mut self, model: &Model, found: StepOutcome) {
        self.context.states.after_step(model, found.collected);
        if let Some(subnetworks) = self.subnetworks.as_mut().filter(|of| of.are_dynamic()) {
            let importances = found.importances;
            subnetworks.after_step(model, StepResults { importances, ..StepResults::default() });
            let masks = subnetworks.source_subnetworks();
            self.context.masks = SubnetworkMasks::new(masks, true, &self.context.device);
        }
    }

    /// Share of the run's steps that are done before step number `step`, from 0.
    pub(super) fn share_of_steps(&self, step: u64) -> f64 {
        step as f64 / self.learning_rate.total_steps as f64
    }

    pub(super) fn logs_at(&self, step: u64) -> bool {
        let every = self.plan.recipe().training.log_every;
        step.is_multiple_of(every) || step == self.learning_rate.total_steps
    }
}

/// The path of the training data, for error messages.
fn data_path<'a>(trainer: &'a Trainer<'_>) -> &'a Path {
    let pairs =
        || trainer.unlabeled.pairs.as_ref().and_then(|pairs| Some(&pairs.sets.first()?.path));
    let path = trainer.data.map(|data| &data.corpus.train.path).or_else(pairs);
    path.map_or(Path::new(""), PathBuf::as_path)
}
