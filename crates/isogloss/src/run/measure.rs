//! Measures during training: Fisher information, sharpness (flatness of the loss), gradient
//! conflict.

use isogloss_kernels::split_seed;
use isogloss_methods::unfreeze_all_trainable;
use serde_json::json;

use super::event::Event;
use super::metrics_log::extend;
use super::trainer::Trainer;
use crate::Error;
use crate::ground::seeds;
use crate::tools::fisher::{Measures, gradient_cosines};

impl Trainer<'_> {
    pub(super) fn measures_at(&self, step: u64) -> bool {
        let is_last = step == self.learning_rate.total_steps;
        let measure = self.plan.recipe().measure.as_ref();
        measure.is_some_and(|measure| is_last || step.is_multiple_of(measure.every))
    }

    /// Logs the Fisher information and the sharpness on the first dev set, and the cosines between
    /// the gradients of several source languages, if the recipe has `[measure]`. All parameters
    /// that are trained at some step count, frozen ones included.
    pub(super) fn measure(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let (Some(measure), Some(data)) = (&self.plan.recipe().measure, self.data) else {
            return Ok(());
        };
        let step = self.progress.step;
        let options = measure.options(split_seed(self.plan.recipe().seed, seeds::MEASURE));
        let model = unfreeze_all_trainable(self.finished_model(), &self.schedules);
        let dev = &data.corpus.devs[0];
        let subnetwork = |language| self.subnetworks.as_ref().map(|of| of.for_language(language));
        let of_dev = subnetwork(&dev.language).transpose()?.flatten();
        let measures = Measures::take(&model, dev, of_dev, &self.options.device, &options)?;
        watch(Event::Measures { step, measures: &measures });
        let mut line = json!({ "kind": "measure", "step": step, "epoch": self.epoch() });
        extend(&mut line, &measures);
        self.log.write(&line)?;
        let sources = self.plan.sources();
        if sources.len() > 1 {
            let devs = &data.corpus.devs;
            let models = devs.iter().map(|set| self.exchanged(&model, &set.language));
            let models = models.collect::<Result<Vec<_>, Error>>()?;
            let sets = devs.iter().zip(&models).map(|(set, exchanged)| {
                let subnetwork = subnetwork(&set.language).transpose()?.flatten();
                Ok((exchanged.as_ref().unwrap_or(&model), set, subnetwork))
            });
            let sets = sets.collect::<Result<Vec<_>, Error>>()?;
            let cosines = gradient_cosines(&sets, &self.options.device, &options)?;
            watch(Event::GradientConflict { step, languages: sources, cosines: &cosines });
            self.log.write(&json!({
                "kind": "conflict", "step": step, "languages": sources, "cosines": cosines,
            }))?;
        }
        Ok(())
    }
}
