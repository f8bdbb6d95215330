//! A schedule: a rule about which parameters may change, and when.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_model::{ParamMapper, map_parameters};

use super::scope::UnfreezeScope;

/// A point of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps in all.
    pub total_steps: u64,
}

/// A rule about which parameters may change.
pub trait Schedule: Send {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// Tells whether the parameter at `path` may change at this moment.
    fn trainable(&self, path: &str, moment: Moment) -> bool;

    /// Tells whether the parameter may change at any moment.
    fn may_train(&self, path: &str) -> bool {
        self.trainable(path, Moment { step: u64::MAX, total_steps: u64::MAX })
    }

    /// By layer: the step from which it learns, counted from 0, and none while that is not known or
    /// if it never does; nothing for a rule that is not about layers.
    fn opens_at(&self) -> Option<&[Option<u64>]> {
        None
    }

    /// Whether a layer is to open before the update of `step`: [`open`](Self::open) then wants the
    /// traces.
    fn is_due(&self, _step: u64) -> bool {
        false
    }

    /// Whether it is not known yet when the layers open.
    fn decides_later(&self) -> bool {
        false
    }

    /// Opens a layer and returns it; none if all are open.
    ///
    /// `traces[n]` is the trace of the Fisher information of what opens with layer `n`; those of open
    /// layers are not looked at.
    fn open(&mut self, _traces: &[f64], _step: u64) -> Option<usize> {
        None
    }

    /// Goes on where [`opens_at`](Self::opens_at) was.
    fn resume(&mut self, _opens_at: Vec<Option<u64>>) {}
}

/// The configuration of a schedule.
pub(super) trait ScheduleMethod {
    /// Lays the schedule out for a model of `n_layers`; `seed` draws random orders.
    fn schedule(&self, n_layers: usize, scope: &UnfreezeScope, seed: u64) -> Box<dyn Schedule>;
}

/// Marks the parameters of `module` that every schedule lets change at this moment.
///
/// Dropout stays as it is: only whether a parameter requires a gradient is set.
pub fn apply_schedules<M: Module>(module: M, schedules: &[Box<dyn Schedule>], moment: Moment) -> M {
    mark(module, schedules, |rule, path| rule.trainable(path, moment))
}

/// Marks the parameters of `module` that every schedule lets change at some moment.
pub fn mark_all_that_may_train<M: Module>(module: M, schedules: &[Box<dyn Schedule>]) -> M {
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
