//! Reading of the steps that are still on the device: their losses and gradient norms are checked,
//! reported and logged.

use std::time::Instant;

use serde_json::json;

use super::event::Event;
use super::progress::LossMean;
use super::trainer::Trainer;
use crate::Error;
use crate::ground::outputs::overflow_hint;

impl Trainer<'_> {
    /// Whether the results of each step are read at once: on the CPU, which has them anyway, and
    /// where the next batch depends on the losses.
    pub(super) fn reads_every_step(&self) -> bool {
        self.options.device_info.api == "cpu" || self.unlabeled.follow_losses()
    }

    /// Reads the results of all steps since the last call, reports them and writes the log.
    ///
    /// # Errors
    /// If a loss or a gradient norm is not finite; the error names the first such step. If the device
    /// was lost. Nothing may be saved before this has succeeded.
    pub(super) fn read_steps(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let began = Instant::now();
        let unread = std::mem::take(&mut self.unread);
        let mut values = unread.values()?.into_iter();
        let time = (unread.time + began.elapsed()).as_secs_f64();
        self.progress.seconds += time;
        let tokens_per_sec = unread.n_tokens as f64 / time;
        let total_steps = self.learning_rate.total_steps;
        for unread in unread.steps {
            let step = unread.step;
            let by_batch = unread.losses.with_values(&mut values);
            let losses = self.finite_losses(step, &by_batch)?;
            let has_norm = unread.grad_norm.tensor().is_some();
            let grad_norm = has_norm.then(|| values.next()).flatten().unwrap_or_default();
            if !grad_norm.is_finite() {
                let names = self.context.plan.names().join(" + ");
                return Err(self.not_finite(step, "gradient norm", grad_norm, names));
            }
            let plan = &self.context.plan;
            let by_stream: Vec<Option<[f64; 3]>> = by_batch
                .iter()
                .map(|losses| Some(plan.losses_by_stream(losses.as_ref()?)))
                .collect();
            self.unlabeled.record(unread.languages, &by_stream);
            let progress = self.share_of_steps(step - 1);
            let loss = plan.total(&losses, progress);
            self.progress.add_losses(loss, &plan.joined(&losses, progress));
            watch(Event::Step { step, total_steps, loss, tokens_per_sec });
            if self.logs_at(step) {
                self.log_step(grad_norm, unread.learning_rate, tokens_per_sec, unread.cosine)?;
            }
        }
        Ok(())
    }

    /// The mean loss of each objective over the batches that were run; an error if one is not
    /// finite.
    fn finite_losses(&self, step: u64, by_batch: &[Option<Vec<f64>>]) -> Result<Vec<f64>, Error> {
        let names = self.context.plan.names();
        let run: Vec<_> = by_batch.iter().flatten().collect();
        let mut means = vec![0.0; names.len()];
        for losses in &run {
            for (mean, loss) in means.iter_mut().zip(*losses) {
                *mean += loss / run.len() as f64;
            }
        }
        match means.iter().zip(names).find(|(loss, _)| !loss.is_finite()) {
            Some((loss, name)) => Err(self.not_finite(step, "loss", *loss, name.to_owned())),
            None => Ok(means),
        }
    }

    fn log_step(
        &mut self,
        grad_norm: f64,
        learning_rate: f64,
        tokens_per_sec: f64,
        cosine: Option<f64>,
    ) -> Result<(), Error> {
        let (total, losses) = self.progress.take_mean_losses();
        let losses: Vec<_> = losses.into_iter().map(LossMean::value).collect();
        let mut line = json!({
            "kind": "train", "step": self.progress.step, "epoch": self.epoch(),
            "loss": total.value(), "grad_norm": grad_norm, "lr": learning_rate,
            "tokens_per_sec": tokens_per_sec, "seconds": self.progress.seconds,
        });
        if losses.len() > 1 {
            line["losses"] = self.context.plan.losses_by_name(&losses);
        }
        // On a GPU; the CPU's memory is the process's.
        if let Some(memory) = self.options.device.memory_pool_usage() {
            line["memory_bytes"] = json!(memory.bytes_reserved);
        }
        if let Some(cosine) = cosine {
            line["gradient_cosine"] = json!(cosine);
        }
        self.log.write(&line)
    }

    fn not_finite(
        &self,
        step: u64,
        quantity: &'static str,
        value: f64,
        objective: String,
    ) -> Error {
        let mut hint = overflow_hint().to_owned();
        if let Ok(Some((step, _))) = self.run.newest_checkpoint() {
            hint += &format!("; the checkpoint of step {step} is intact");
        }
        Error::NotFinite { step, quantity, value, objective, hint }
    }
}
