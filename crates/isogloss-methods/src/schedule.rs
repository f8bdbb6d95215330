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

/// Any schedule, as a recipe names it; a parameter changes if all of them let it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// See [`FreezeConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<FreezeConfig>,
    /// See [`GradualUnfreezeConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradual_unfreeze: Option<GradualUnfreezeConfig>,
    /// See [`LpftConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lpft: Option<LpftConfig>,
    /// See [`FunConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fun: Option<FunConfig>,
    /// See [`FixedLayersConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<FixedLayersConfig>,
}

impl ScheduleConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(String, String)> {
        let gradual = self.gradual_unfreeze.iter().flat_map(GradualUnfreezeConfig::faults);
        let gradual = gradual.map(|fault| ("gradual_unfreeze", fault));
        let fun = self.fun.iter().flat_map(FunConfig::faults).map(|fault| ("fun", fault));
        let lpft = self.lpft.iter().flat_map(LpftConfig::faults).map(|fault| ("lpft", fault));
        let all = gradual.chain(lpft).chain(fun);
        all.map(|(rule, (field, problem))| (format!("{rule}.{field}"), problem)).collect()
    }

    /// Fails if a layer is named that a model of `n_layers` does not have.
    pub fn check_layers(&self, n_layers: usize) -> Result<(), String> {
        let named = self.fixed.iter().flat_map(|fixed| &fixed.layers);
        match named.into_iter().find(|layer| **layer >= n_layers) {
            Some(layer) => {
                Err(format!("schedule.fixed.layers: {layer} of a model of {n_layers} layers"))
            }
            None => Ok(()),
        }
    }

    /// Builds the schedules that are named, for a model of `n_layers`; `seed` draws random orders.
    ///
    /// Adapters are all that is trained besides the head, whether a rule about layers is named or not.
    pub fn init(
        &self,
        n_layers: usize,
        scope: &UnfreezeScope,
        seed: u64,
    ) -> Vec<Box<dyn Schedule>> {
        let mut all: Vec<Box<dyn Schedule>> = Vec::new();
        if let Some(config) = &self.freeze {
            all.push(Box::new(config.clone()));
        }
        if let Some(config) = &self.gradual_unfreeze {
            all.push(Box::new(config.init(n_layers, scope, seed)));
        }
        if let Some(config) = &self.lpft {
            all.push(Box::new(config.init(n_layers, scope)));
        }
        if let Some(config) = &self.fun {
            all.push(Box::new(config.init(n_layers, scope)));
        }
        if let Some(config) = &self.fixed {
            all.push(Box::new(config.init(n_layers, scope)));
        }
        let names_layers = all.iter().any(|rule| rule.opens_at().is_some());
        if *scope != UnfreezeScope::Layers && !names_layers {
            let layers = FixedLayersConfig { layers: (0..n_layers).collect() };
            all.push(Box::new(layers.init(n_layers, scope)));
        }
        all
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
