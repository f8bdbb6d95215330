//! One optimizer step: gradients of a group of batches (gradient accumulation), the update, then
//! method states and the log.

use std::path::{Path, PathBuf};
use std::time::Instant;

use isogloss_methods::{Gradients, MethodState, Moment, StepResults, apply_schedules};
use isogloss_model::Model;
use serde_json::json;

use super::event::Event;
use super::trainer::Trainer;
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
        let (gradients, found) = self.gradients(&model, batches)?;
        let losses = self.finite_losses(&found)?;
        let losses_by_stream: Vec<Option<[f64; 2]>> = found
            .losses
            .iter()
            .map(|losses| losses.as_ref().map(|of| self.context.plan.losses_by_stream(of)))
            .collect();

        let learning_rate = self.learning_rate.at(step);
        let rates = self.plan.recipe().optimizer.rates(learning_rate);
        let (model, grad_norm) = self.optimizer.step(model, gradients, rates);
        if !grad_norm.is_finite() {
            let names = self.context.plan.names().join(" + ");
            return Err(self.not_finite("gradient norm", grad_norm, names));
        }
        let cosine = found.cosine;
        self.follow_step(&model, found);
        self.model = Some(model);
        self.unlabeled.record(languages, &losses_by_stream);
        self.progress.step += 1;
        self.progress.seconds += began.elapsed().as_secs_f64();
        self.progress.add_losses(&losses);

        let loss = self.context.plan.total(&losses);
        let tokens_per_sec = n_tokens as f64 / began.elapsed().as_secs_f64();
        watch(Event::Step { step: self.progress.step, total_steps, loss, tokens_per_sec });
        if self.logs_at(self.progress.step) {
            self.log_step(grad_norm, learning_rate, tokens_per_sec, cosine)?;
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
        let mut source = StepGradients::new(&self.context, model, batches, path)?;
        if logs {
            source = source.comparing();
        }
        let gradients = self.update.gradients(model, step, &mut source)?;
        Ok((gradients, source.into_outcome()))
    }

    /// The mean loss of each objective; an error if one is not finite.
    fn finite_losses(&self, found: &StepOutcome) -> Result<Vec<f64>, Error> {
        let names = self.context.plan.names();
        let losses = found.mean_losses(names.len());
        match losses.iter().zip(names).find(|(loss, _)| !loss.is_finite()) {
            Some((loss, name)) => Err(self.not_finite("loss", *loss, name.to_owned())),
            None => Ok(losses),
        }
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

    fn logs_at(&self, step: u64) -> bool {
        let every = self.plan.recipe().training.log_every;
        step.is_multiple_of(every) || step == self.learning_rate.total_steps
    }

    fn log_step(
        &mut self,
        grad_norm: f64,
        learning_rate: f64,
        tokens_per_sec: f64,
        cosine: Option<f64>,
    ) -> Result<(), Error> {
        let losses = self.progress.take_mean_losses();
        let plan = &self.context.plan;
        let mut line = json!({
            "kind": "train", "step": self.progress.step, "epoch": self.epoch(),
            "loss": plan.total(&losses), "grad_norm": grad_norm, "lr": learning_rate,
            "tokens_per_sec": tokens_per_sec, "seconds": self.progress.seconds,
        });
        if losses.len() > 1 {
            line["losses"] = plan.losses_by_name(&losses);
        }
        if let Some(cosine) = cosine {
            line["gradient_cosine"] = json!(cosine);
        }
        self.log.write(&line)
    }

    fn not_finite(&self, quantity: &'static str, value: f64, objective: String) -> Error {
        let hint = match self.run.newest_checkpoint() {
            Ok(Some((step, _))) => format!("; the checkpoint of step {step} is intact"),
            _ => String::new(),
        };
        Error::NotFinite { step: self.progress.step + 1, quantity, value, objective, hint }
    }
}

/// The path of the training data, for error messages.
fn data_path<'a>(trainer: &'a Trainer<'_>) -> &'a Path {
    let pairs =
        || trainer.unlabeled.pairs.as_ref().and_then(|pairs| Some(&pairs.sets.first()?.path));
    let path = trainer.data.map(|data| &data.corpus.train.path).or_else(pairs);
    path.map_or(Path::new(""), PathBuf::as_path)
}
