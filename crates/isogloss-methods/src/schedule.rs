//! Which parameters may change, and when.

mod unfreezing;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_model::{ParamMapper, map_parameters};
use serde::{Deserialize, Serialize};
pub use unfreezing::{
    FixedLayersConfig, Fun, FunConfig, GradualUnfreezeConfig, LpftConfig, UnfreezeOrder,
    UnfreezeScope, UnfreezeTiming, Unfreezing,
};

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
}

/// Any schedule, as a recipe names it; a parameter changes if all of them let it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// See [`FreezeConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<FreezeConfig>,
}

impl ScheduleConfig {
    /// Builds the schedules that are named.
    pub fn init(&self) -> Vec<Box<dyn Schedule>> {
        let freeze = self.freeze.clone().map(|config| Box::new(config) as Box<dyn Schedule>);
        freeze.into_iter().collect()
    }
}

/// Keeps parts of the model as they are from the first step to the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeConfig {
    /// Starts of parameter paths, such as `encoder.embeddings` or `encoder.layers.0.`.
    pub parameters: Vec<String>,
}

impl Schedule for FreezeConfig {
    fn name(&self) -> &'static str {
        "freeze"
    }

    fn trainable(&self, path: &str, _moment: Moment) -> bool {
        !self.parameters.iter().any(|start| path.starts_with(start.as_str()))
    }
}

/// Marks the parameters of `module` that every schedule lets change at this moment.
///
/// Dropout stays as it is: only whether a parameter requires a gradient is set.
pub fn apply_schedules<M: Module>(module: M, schedules: &[Box<dyn Schedule>], moment: Moment) -> M {
    if schedules.is_empty() {
        return module;
    }
    map_parameters(module, &mut Marker { schedules, moment })
}

struct Marker<'a> {
    schedules: &'a [Box<dyn Schedule>],
    moment: Moment,
}

impl ParamMapper for Marker<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trainable = self.schedules.iter().all(|rule| rule.trainable(path, self.moment));
        param.set_require_grad(trainable)
    }
}
