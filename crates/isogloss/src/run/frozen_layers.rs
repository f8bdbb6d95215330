//! Frozen layers: the number of the lowest layers that are frozen, and the cache of their
//! activations.

use std::time::Instant;

use isogloss_methods::{Moment, Role, View};
use isogloss_model::{Model, ParamLocation, ParamPart, named_parameters};

use super::event::Event;
use super::trainer::Trainer;
use super::unfreezing::unfreeze_steps;
use crate::Error;
use crate::error::RunError;
use crate::loader::largest_tensors::check_evaluation;
use crate::step::frozen_cache::{CachedLayers, FrozenCache};
use crate::step::{ForwardPlan, StepBatch};
use crate::task::TargetKind;

impl Trainer<'_> {
    /// Whether the recipe disables dropout in frozen layers.
    fn disables_dropout(&self) -> bool {
        self.plan.recipe().training.frozen.as_ref().is_some_and(|frozen| !frozen.dropout)
    }

    /// Whether a schedule freezes layers.
    fn freezes_layers(&self) -> bool {
        self.schedules.iter().any(|rule| rule.unfreeze_steps().is_some())
    }

    /// Reports that frozen layers have no dropout, and which methods thereby change less than they
    /// were published with.
    ///
    /// # Errors
    /// If dropout is disabled in frozen layers, and no layers are frozen.
    pub(super) fn report_frozen_dropout(
        &self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        if !self.disables_dropout() {
            return Ok(());
        }
        if !self.freezes_layers() {
            return Err(RunError::NoFrozenLayers.into());
        }
        let mut methods = methods_of_dropout(&self.context.plan);
        methods.extend(self.context.guided_dropout.as_ref().map(|_| "guided_dropout"));
        watch(Event::FrozenDropout { methods: &methods });
        Ok(())
    }

    /// Number of frozen layers without dropout: the lowest blocks that are frozen at a step,
    /// together with the embeddings. `None` if the embeddings are trained, the frozen layers have
    /// dropout, or no schedule freezes layers.
    fn frozen_layers(&self, model: &Model, step: u64) -> Option<usize> {
        if !self.disables_dropout() {
            return None;
        }
        let moment = Moment { step, total_steps: self.learning_rate.total_steps };
        let learns = |path: &str| self.schedules.iter().all(|rule| rule.trainable(path, moment));
        let params = named_parameters(model).into_iter().filter(|param| learns(&param.path));
        // 0 for the embeddings, n + 1 for block n.
        let height = |path: &str| match ParamLocation::from_path(path)? {
            ParamLocation { part: ParamPart::Head | ParamPart::LmHead, .. } => None,
            // An invertible adapter is unfrozen with the first block.
            ParamLocation { part: ParamPart::InvertibleAdapter(_), .. } => Some(1),
            location => Some(location.layer.map_or(0, |layer| layer + 1)),
        };
        let all = model.encoder.config().num_hidden_layers + 1;
        let lowest = params.filter_map(|param| height(&param.path)).min().unwrap_or(all);
        lowest.checked_sub(1)
    }

    /// Frozen-layer cache: stores the activations of the frozen layers, where that costs less than
    /// to recompute them in each step.
    pub(super) fn cache_frozen_layers(
        &mut self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let began = Instant::now();
        // With subnetworks and with language adapters of several sources, the frozen layers depend on
        // the language; a parser reads the hidden states of all layers; TRAM adds noise to the
        // embeddings.
        let is_alone = self.context.plan.reads_original_alone()
            && self.context.masks.is_empty()
            && !self.context.exchanges_adapters()
            && self.plan.recipe().update.tram.is_none()
            && self.plan.recipe().task.target() != Some(TargetKind::Tree);
        let Some(data) = self.data.filter(|_| is_alone) else {
            return Ok(());
        };
        let layers = self.layers_to_cache();
        if layers.is_empty() {
            return Ok(());
        }
        let training = &self.plan.recipe().training;
        let (config, n) = (self.model().encoder.config(), training.evaluation_batch_size);
        check_evaluation(
            &self.options.device,
            &self.options.device_info,
            config,
            &data.corpus.train,
            n,
        )?;
        let (cache, cached) = FrozenCache::new(
            self.model(),
            &data.corpus.train,
            &layers,
            &training.frozen.clone().unwrap_or_default(),
            training.evaluation_batch_size,
            self.run.path(),
            &self.options.device,
        )?;
        let CachedLayers { in_memory, on_disk, left_out, problem } = cached;
        watch(Event::FrozenCache { in_memory, on_disk, left_out, problem: problem.as_deref() });
        self.frozen_cache = Some(cache);
        self.progress.seconds += began.elapsed().as_secs_f64();
        Ok(())
    }

    /// The layers after which activations are cached: each is the number of frozen layers at some
    /// step, up to the highest whose activations are used more than once for each example.
    ///
    /// They are chosen for the whole run, at whatever step it is resumed: activations computed in
    /// other batches would be rounded differently.
    fn layers_to_cache(&self) -> Vec<usize> {
        let total_steps = self.learning_rate.total_steps;
        let frozen_at = |step| self.frozen_layers(self.model(), step).unwrap_or(0);
        let (first, now) = (frozen_at(0), frozen_at(self.progress.step));
        if self.schedules.iter().any(|rule| rule.is_adaptive()) {
            return (1..=if total_steps > self.steps_per_epoch { now } else { 0 }).collect();
        }
        let unfreeze_steps = unfreeze_steps(&self.schedules).into_iter().flatten().flatten();
        let mut moments: Vec<u64> =
            unfreeze_steps.filter(|step| *step < total_steps).chain([0, total_steps]).collect();
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

    /// Disables dropout in the frozen layers, and starts forward passes from their cached
    /// activations.
    pub(super) fn skip_frozen_layers(
        &mut self,
        model: &Model,
        group: &mut [StepBatch],
        watch: &mut dyn FnMut(Event<'_>),
    ) {
        let frozen = self.frozen_layers(model, self.progress.step);
        self.context.no_dropout_below = frozen;
        let (Some(cache), Some(frozen)) = (&mut self.frozen_cache, frozen) else { return };
        let device = self.options.device.clone().autodiff();
        for batch in group {
            let text = batch.original();
            batch.cached_activations =
                text.and_then(|text| cache.activations(text, frozen, &device));
        }
        if let Some(problem) = cache.take_problem() {
            watch(Event::FrozenCacheLost { problem: &problem });
        }
    }
}

/// Objectives that compare passes over one text which differ by dropout: those of the student with
/// each other, or one with the momentum encoder's.
fn methods_of_dropout(plan: &ForwardPlan) -> Vec<&'static str> {
    let compares = |views: &[View]| {
        let repeats = |view: &View| {
            let mut others = views.iter().filter(|other| other.text == view.text);
            view.pass > 0
                || view.role == Role::Momentum && others.any(|of| of.role == Role::Student)
        };
        views.iter().any(repeats)
    };
    let mut names: Vec<_> = plan
        .objectives()
        .iter()
        .filter(|planned| compares(&planned.needs.views))
        .map(|planned| planned.objective.name())
        .collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use isogloss_methods::ObjectiveConfig;
    use serde_json::json;

    use super::*;

    #[test]
    fn objectives_that_compare_passes_by_dropout_are_told_from_others() {
        for (method, expected) in [
            (json!({ "r_drop": {} }), true),
            (json!({ "r3f": {} }), true),
            (json!({ "r3f": { "dropout": "shared" } }), false),
            (json!({ "consistency": { "view": "second_pass" } }), true),
            (json!({ "consistency": { "view": "code_switched" } }), false),
            (json!({ "mean_teacher": {} }), true),
            (json!({ "cross_entropy": {} }), false),
            (json!({ "model_consistency": { "text": "original" } }), false),
            (json!({ "xlco": {} }), false),
        ] {
            let config: ObjectiveConfig = serde_json::from_value(method.clone()).unwrap();
            let plan = ForwardPlan::new(vec![(1.0, config.init().into())]);
            let names = methods_of_dropout(&plan);
            assert_eq!(names.len(), usize::from(expected), "{method}");
        }
    }
}
