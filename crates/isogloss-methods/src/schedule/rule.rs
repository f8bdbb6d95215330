//! Schedule trait: which parameters are trainable, and when.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_model::{ParamMapper, map_parameters};

use super::scope::UnfreezeScope;

/// Training progress: the current step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Optimizer steps that are done.
    pub step: u64,
    /// Total optimizer steps.
    pub total_steps: u64,
}

/// Schedule: which parameters are trainable, and when (freezing, unfreezing).
pub trait Schedule: Send {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// Whether the parameter at `path` is trainable at this step.
    fn trainable(&self, path: &str, moment: Moment) -> bool;

    /// Whether the parameter is trainable at any step.
    fn may_train(&self, path: &str) -> bool {
        self.trainable(path, Moment { step: u64::MAX, total_steps: u64::MAX })
    }

    /// Unfreezing step of each layer, counted from 0; `None` for a layer whose step is not known
    /// yet or that is never unfrozen. `None` as a whole for a schedule that is not about layers.
    fn unfreeze_steps(&self) -> Option<&[Option<u64>]> {
        None
    }

    /// Unfreezing step of the embeddings; `None` if the schedule never unfreezes them.
    fn embeddings_step(&self) -> Option<u64> {
        None
    }

    /// Whether a layer is to be unfrozen before the update of `step`; [`unfreeze`](Self::unfreeze) then
    /// needs the Fisher traces.
    fn is_due(&self, _step: u64) -> bool {
        false
    }

    /// Whether unfreezing steps are still to be decided during training.
    fn is_adaptive(&self) -> bool {
        false
    }

    /// Unfreezes a layer and returns it; `None` if all are unfrozen.
    ///
    /// `traces[n]` is the trace of the Fisher information of the parameters that are unfrozen with
    /// layer `n`; traces of unfrozen layers are ignored.
    fn unfreeze(&mut self, _traces: &[f64], _step: u64) -> Option<usize> {
        None
    }

    /// Restores the unfreezing steps, [`unfreeze_steps`](Self::unfreeze_steps), from a checkpoint.
    fn resume(&mut self, _unfreeze_steps: Vec<Option<u64>>) {}
}

/// Configuration of a schedule.
pub(super) trait ScheduleMethod {
    /// Builds the schedule for a model of `n_layers`; `seed` is for random orders.
    fn schedule(&self, n_layers: usize, scope: &UnfreezeScope, seed: u64) -> Box<dyn Schedule>;
}

/// Sets which parameters of `module` are trainable: those that every schedule allows at this step.
///
/// Dropout is unchanged: only whether a parameter requires a gradient is set.
pub fn apply_schedules<M: Module>(module: M, schedules: &[Box<dyn Schedule>], moment: Moment) -> M {
    mark(module, schedules, |rule, path| rule.trainable(path, moment))
}

/// Unfreezes the parameters of `module` that every schedule allows at some step, and freezes the
/// others.
pub fn unfreeze_all_trainable<M: Module>(module: M, schedules: &[Box<dyn Schedule>]) -> M {
    mark(module, schedules, |rule, path| rule.may_train(path))
}

fn mark<M: Module>(
    module: M,
    schedules: &[Box<dyn Schedule>],
    trains: impl Fn(&dyn Schedule, &str) -> bool,
) -> M {
    if schedules.is_empty() {
        return module;
    }
    map_parameters(module, &mut Marker { schedules, trains })
}

struct Marker<'a, F> {
    schedules: &'a [Box<dyn Schedule>],
    trains: F,
}

impl<F: Fn(&dyn Schedule, &str) -> bool> ParamMapper for Marker<'_, F> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = self.schedules.iter().all(|rule| (self.trains)(&**rule, path));
        param.set_require_grad(trains)
    }
}
