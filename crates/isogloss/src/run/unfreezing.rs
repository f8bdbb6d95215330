//! Scheduled unfreezing: layers become trainable during a run.

use std::time::Instant;

use isogloss_kernels::split_seed;
use isogloss_methods::{FixedLayersConfig, Moment, Schedule, TOKEN_EMBEDDINGS, apply_schedules};
use isogloss_model::{ParamLocation, named_parameters};
use serde_json::json;

use super::event::Event;
use super::trainer::Trainer;
use crate::ground::seeds;
use crate::recipe::AdapterRecipe;
use crate::tools::fisher::fun_traces;
use crate::{Error, FisherEstimator, MeasureOptions};

impl Trainer<'_> {
    /// Unfreezes the layers that are due before the next step, and logs them.
    pub(super) fn unfreeze_layers(
        &mut self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let step = self.progress.step;
        let mut traces = None;
        if self.schedules.iter().any(|rule| rule.is_due(step)) {
            let began = Instant::now();
            let of_layers = self.layer_traces()?;
            self.progress.seconds += began.elapsed().as_secs_f64();
            for rule in self.schedules.iter_mut().filter(|rule| rule.is_due(step)) {
                rule.unfreeze(&of_layers, step);
            }
            traces = Some(of_layers);
        }
        for rule in self.schedules.iter().filter(|rule| unfreezes_layers(&***rule)) {
            let layers: Vec<usize> =
                unfrozen_at(&**rule, step).filter(|layer| self.learns(*layer, step)).collect();
            let embeddings = rule.embeddings_step() == Some(step) && self.trains_embeddings(step);
            if layers.is_empty() && !embeddings {
                continue;
            }
            watch(Event::Unfreeze { step, layers: &layers, embeddings });
            let mut line = json!({
                "kind": "open", "step": step, "epoch": self.epoch(), "schedule": rule.name(),
                "layers": layers,
            });
            if embeddings {
                line["embeddings"] = json!(true);
            }
            if let Some(traces) = &traces {
                line["traces"] = json!(traces);
            }
            self.log.write(&line)?;
        }
        Ok(())
    }

    /// Whether any parameter of a layer is trainable at a step under all schedules.
    fn learns(&self, layer: usize, step: u64) -> bool {
        let moment = Moment { step, total_steps: self.learning_rate.total_steps };
        named_parameters(self.model()).iter().any(|param| {
            let is_of_layer =
                ParamLocation::from_path(&param.path).is_some_and(|of| of.layer == Some(layer));
            is_of_layer && self.schedules.iter().all(|rule| rule.trainable(&param.path, moment))
        })
    }

    /// Whether the token embeddings are trainable at a step under all schedules.
    fn trains_embeddings(&self, step: u64) -> bool {
        let moment = Moment { step, total_steps: self.learning_rate.total_steps };
        self.schedules.iter().all(|rule| rule.trainable(TOKEN_EMBEDDINGS, moment))
    }

    /// Trace of the Fisher information by layer (FUN schedule): over the parameters that are
    /// unfrozen with each layer, on a random sample of the training examples, without dropout and
    /// through the subnetwork and the language adapter that each source has at this step.
    fn layer_traces(&self) -> Result<Vec<f64>, Error> {
        let recipe = self.plan.recipe();
        let n_layers = self.model().encoder.config().num_hidden_layers;
        let (Some(data), Some(fun)) = (self.data, &recipe.schedule.fun) else {
            return Ok(vec![0.0; n_layers]);
        };
        let step = self.progress.step;
        let all = FixedLayersConfig { layers: (0..n_layers).collect(), embeddings: false };
        let all: Box<dyn Schedule> =
            Box::new(all.init(n_layers, &AdapterRecipe::scope(recipe, self.model())));
        let moment = Moment { step, total_steps: self.learning_rate.total_steps };
        let model = apply_schedules(self.model().clone(), &[all], moment);
        let batch_size = recipe.training.batch_size;
        let options = MeasureOptions {
            estimator: FisherEstimator::Sampled,
            n_examples: Some(fun.n_batches.saturating_mul(batch_size)),
            batch_size,
            radius: 0.0,
            n_directions: 0,
            seed: split_seed(split_seed(recipe.seed, seeds::UNFREEZING), step),
        };
        let train = &data.corpus.train;
        let subnetworks: Option<Vec<_>> =
            self.subnetworks.as_ref().map(|subnetworks| subnetworks.source_subnetworks().collect());
        let models = (0..data.corpus.parts.len()).map(|n| self.context.for_source(&model, n));
        let models: Vec<_> = models.collect();
        let parts: Vec<_> = match (&subnetworks, self.context.exchanges_adapters()) {
            (None, false) => vec![(&model, 0..train.features.len(), None)],
            _ => {
                let subnetwork =
                    |n: usize| subnetworks.as_ref().and_then(|all| all.get(n).copied());
                let parts = models.iter().zip(&data.corpus.parts).enumerate();
                parts.map(|(n, (model, part))| (&**model, part.clone(), subnetwork(n))).collect()
            }
        };
        let blocks = fun_traces(train, &parts, &self.options.device, &options, fun.estimator)?;
        let block = |name: &str| blocks.get(name).copied().unwrap_or_default();
        let mut traces: Vec<f64> = (0..n_layers).map(|n| block(&format!("layers.{n}"))).collect();
        traces[0] += block("invertible_adapters");
        Ok(traces)
    }
}

/// The step at which each layer is unfrozen, by schedule of layers and by layer.
pub(super) fn unfreeze_steps(schedules: &[Box<dyn Schedule>]) -> Vec<Vec<Option<u64>>> {
    schedules.iter().filter_map(|rule| Some(rule.unfreeze_steps()?.to_vec())).collect()
}

/// Restores the unfreezing steps that [`unfreeze_steps`] returned.
pub(super) fn resume(schedules: &mut [Box<dyn Schedule>], unfreeze_steps: &[Vec<Option<u64>>]) {
    let about_layers = schedules.iter_mut().filter(|rule| rule.unfreeze_steps().is_some());
    about_layers
        .zip(unfreeze_steps)
        .for_each(|(rule, unfreeze_steps)| rule.resume(unfreeze_steps.clone()));
}

/// Whether a schedule unfreezes layers during training, rather than keep the same layers trainable
/// from the first step on.
fn unfreezes_layers(rule: &dyn Schedule) -> bool {
    let mut steps = rule.unfreeze_steps().unwrap_or_default().iter().flatten();
    rule.is_adaptive() || steps.any(|step| *step > 0)
}

fn unfrozen_at(rule: &dyn Schedule, step: u64) -> impl Iterator<Item = usize> {
    let layers = rule.unfreeze_steps().unwrap_or_default().iter().enumerate();
    layers.filter(move |(_, at)| **at == Some(step)).map(|(layer, _)| layer)
}
