//! Layers that open while a run goes on.

use std::time::Instant;

use isogloss_kernels::split_seed;
use isogloss_methods::{FixedLayersConfig, Moment, Schedule, apply_schedules};
use isogloss_model::{Model, ParamLocation, ParamPart, named_parameters};
use serde_json::json;

use super::batches::StepBatch;
use super::frozen_cache::{FrozenStates, Kept};
use super::{Event, Trainer, streams};
use crate::recipe::AdapterRecipe;
use crate::task::Target;
use crate::tools::fisher::Measures;
use crate::{Error, FisherEstimator, MeasureOptions};

impl Trainer<'_> {
    /// Lets the schedules open what is due before the next step, and logs which layers begin to learn.
    pub(super) fn open_layers(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let step = self.progress.step;
        let mut traces = None;
        if self.schedules.iter().any(|rule| rule.is_due(step)) {
            let began = Instant::now();
            let of_layers = self.layer_traces()?;
            self.progress.seconds += began.elapsed().as_secs_f64();
            for rule in self.schedules.iter_mut().filter(|rule| rule.is_due(step)) {
                rule.open(&of_layers, step);
            }
            traces = Some(of_layers);
        }
        for rule in self.schedules.iter().filter(|rule| opens_layers(&***rule)) {
            let layers: Vec<usize> =
                opened_at(&**rule, step).filter(|layer| self.learns(*layer, step)).collect();
            if layers.is_empty() {
                continue;
            }
            watch(Event::Open { step, layers: &layers });
            let mut line = json!({
                "kind": "open", "step": step, "epoch": self.epoch(), "schedule": rule.name(),
                "layers": layers,
            });
            if let Some(traces) = &traces {
                line["traces"] = json!(traces);
            }
            self.log.write(&line)?;
        }
        Ok(())
    }

    /// Whether all schedules let something of a layer change at a step.
    fn learns(&self, layer: usize, step: u64) -> bool {
        let moment = Moment { step, total_steps: self.learning_rate.total_steps };
        named_parameters(self.model()).iter().any(|param| {
            let is_of_layer =
                ParamLocation::from_path(&param.path).is_some_and(|of| of.layer == Some(layer));
            is_of_layer && self.schedules.iter().all(|rule| rule.trainable(&param.path, moment))
        })
    }

    /// The trace of the Fisher information of what opens with each layer, on the first of the training
    /// examples in an order of its own, without dropout.
    fn layer_traces(&self) -> Result<Vec<f64>, Error> {
        let recipe = self.plan.recipe();
        let n_layers = self.model().encoder.config().num_hidden_layers;
        let (Some(data), Some(fun)) = (self.data, &recipe.schedule.fun) else {
            return Ok(vec![0.0; n_layers]);
        };
        let step = self.progress.step;
        let all = FixedLayersConfig { layers: (0..n_layers).collect() };
        let all: Box<dyn Schedule> = Box::new(all.init(n_layers, &AdapterRecipe::scope(recipe)));
        let moment = Moment { step, total_steps: self.learning_rate.total_steps };
        let model = apply_schedules(self.model().clone(), &[all], moment);
        let batch_size = recipe.training.batch_size;
        let options = MeasureOptions {
            estimator: FisherEstimator::Sampled,
            n_examples: Some(fun.n_batches.saturating_mul(batch_size)),
            batch_size,
            radius: 0.0,
            n_directions: 0,
            seed: split_seed(split_seed(recipe.seed, streams::UNFREEZING), step),
        };
        let train = &data.corpus.train;
        let measures = Measures::take(&model, train, &self.options.device, &options)?;
        let block = |name: &str| measures.fisher.blocks.get(name).copied().unwrap_or_default();
        let mut traces: Vec<f64> = (0..n_layers).map(|n| block(&format!("layers.{n}"))).collect();
        traces[0] += block("invertible_adapters");
        Ok(traces)
    }
}

impl Trainer<'_> {
    /// How many of the lowest blocks are frozen at a step, together with the embeddings; none if those
    /// learn, or if no schedule is about layers.
    fn frozen_layers(&self, model: &Model, step: u64) -> Option<usize> {
        let has_dropout =
            self.plan.recipe().training.frozen.as_ref().is_some_and(|frozen| frozen.dropout);
        if has_dropout || !self.schedules.iter().any(|rule| rule.opens_at().is_some()) {
            return None;
        }
        let moment = Moment { step, total_steps: self.learning_rate.total_steps };
        let learns = |path: &str| self.schedules.iter().all(|rule| rule.trainable(path, moment));
        let params = named_parameters(model).into_iter().filter(|param| learns(&param.path));
        // The embeddings, then the blocks.
        let height = |path: &str| match ParamLocation::from_path(path)? {
            ParamLocation { part: ParamPart::Head | ParamPart::LmHead, .. } => None,
            // It opens with the first block.
            ParamLocation { part: ParamPart::InvertibleAdapter(_), .. } => Some(1),
            place => Some(place.layer.map_or(0, |layer| layer + 1)),
        };
        let all = model.encoder.config().num_hidden_layers + 1;
        let lowest = params.filter_map(|param| height(&param.path)).min().unwrap_or(all);
        lowest.checked_sub(1)
    }

    /// Keeps what leaves the frozen layers, where that is less work than to compute it step by step.
    pub(super) fn keep_frozen_states(
        &mut self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        // Which parts of the frozen layers are used depends on the language; a parser reads the states
        // of all layers.
        let is_alone = self.passes.reads_original_alone()
            && self.passes.subnetworks.is_empty()
            && self.plan.recipe().task.target() != Some(Target::Tree);
        let Some(data) = self.data.filter(|_| is_alone) else {
            return Ok(());
        };
        let layers = self.layers_to_keep();
        if layers.is_empty() {
            return Ok(());
        }
        let training = &self.plan.recipe().training;
        let (states, kept) = FrozenStates::new(
            self.model(),
            &data.corpus.train,
            &layers,
            &training.frozen.clone().unwrap_or_default(),
            training.evaluation_batch_size,
            self.run.path(),
            &self.options.device,
        )?;
        let Kept { in_memory, on_disk, left_out, problem } = kept;
        watch(Event::Frozen { in_memory, on_disk, left_out, problem: problem.as_deref() });
        self.frozen_states = Some(states);
        self.progress.seconds += began.elapsed().as_secs_f64();
        Ok(())
    }

    /// The layers that are the lowest to learn at some step, up to the highest whose states are used
    /// more than once for each example.
    ///
    /// They are those of the whole run, whatever step it goes on from: sums of other batches would be
    /// rounded otherwise.
    fn layers_to_keep(&self) -> Vec<usize> {
        let total_steps = self.learning_rate.total_steps;
        let frozen_at = |step| self.frozen_layers(self.model(), step).unwrap_or(0);
        let (first, now) = (frozen_at(0), frozen_at(self.progress.step));
        if self.schedules.iter().any(|rule| rule.decides_later()) {
            return (1..=if total_steps > self.steps_per_epoch { now } else { 0 }).collect();
        }
        let opens_at = opens_at(&self.schedules).into_iter().flatten().flatten();
        let mut moments: Vec<u64> =
            opens_at.filter(|step| *step < total_steps).chain([0, total_steps]).collect();
        moments.sort_unstable();
        moments.dedup();
        let stretches: Vec<(usize, u64)> =
            moments.windows(2).map(|pair| (frozen_at(pair[0]), pair[1] - pair[0])).collect();
        let is_used_again = |layer: &usize| {
            let below = stretches.iter().filter(|(frozen, _)| frozen >= layer);
            below.map(|(_, n_steps)| n_steps).sum::<u64>() > self.steps_per_epoch
        };
        let highest = (1..=first).rev().find(is_used_again).unwrap_or(0);
        let lowest = stretches.iter().map(|(frozen, _)| highest.min(*frozen));
        let mut layers: Vec<usize> = lowest.filter(|layer| (1..=now).contains(layer)).collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// Has frozen layers drop nothing, and passes begin above them where their states are kept.
    pub(super) fn skip_frozen_layers(
        &mut self,
        model: &Model,
        group: &mut [StepBatch],
        watch: &mut dyn FnMut(Event<'_>),
    ) {
        let frozen = self.frozen_layers(model, self.progress.step);
        self.passes.no_dropout_below = frozen;
        let (Some(states), Some(frozen)) = (&mut self.frozen_states, frozen) else { return };
        let device = self.options.device.clone().autodiff();
        for batch in group {
            batch.begin = batch.original().and_then(|text| states.of(text, frozen, &device));
        }
        if let Some(problem) = states.take_problem() {
            watch(Event::FrozenLost { problem: &problem });
        }
    }
}

/// By schedule about layers, and by layer: the step at which it opened.
pub(super) fn opens_at(schedules: &[Box<dyn Schedule>]) -> Vec<Vec<Option<u64>>> {
    schedules.iter().filter_map(|rule| Some(rule.opens_at()?.to_vec())).collect()
}

/// Goes on where [`opens_at`] was.
pub(super) fn resume(schedules: &mut [Box<dyn Schedule>], opens_at: &[Vec<Option<u64>>]) {
    let about_layers = schedules.iter_mut().filter(|rule| rule.opens_at().is_some());
    about_layers.zip(opens_at).for_each(|(rule, opens_at)| rule.resume(opens_at.clone()));
}

/// Whether layers open one after the other, rather than be what they are from the first step on.
fn opens_layers(rule: &dyn Schedule) -> bool {
    let mut steps = rule.opens_at().unwrap_or_default().iter().flatten();
    rule.decides_later() || steps.any(|step| *step > 0)
}

fn opened_at(rule: &dyn Schedule, step: u64) -> impl Iterator<Item = usize> {
    let layers = rule.opens_at().unwrap_or_default().iter().enumerate();
    layers.filter(move |(_, at)| **at == Some(step)).map(|(layer, _)| layer)
}
