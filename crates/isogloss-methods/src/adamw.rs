//! AdamW optimizer (Loshchilov & Hutter 2019), with gradient clipping by global norm.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::{AdamWParam, AdamWStep, SparseAdamWParam, adamw, sparse_adamw};
use isogloss_model::{NamedParam, ParamMapper, map_parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gradients::{Gradient, Gradients};
use crate::learning_rate::Rates;
use crate::parameters::{TOKEN_EMBEDDINGS, put_values, take_values};

/// Configuration of [`AdamW`]; the defaults are PyTorch's, but biases and normalizations do not
/// decay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay rates β₁ and β₂ of the moments.
    pub betas: [f64; 2],
    /// ε, added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay of matrices; biases and normalization weights, which are vectors,
    /// have none.
    pub weight_decay: f64,
    /// Gradient clipping: the largest global norm of the gradients; no clipping if unset.
    pub max_grad_norm: Option<f64>,
    /// Lazy updates of the embedding matrix: rows without a gradient in a step are not updated,
    /// neither by decay nor by momentum, and their moments stay. Most rows of a large vocabulary
    /// are such, and updating them is the largest cost of a step of a small encoder.
    ///
    /// This is not AdamW as published, but what TensorFlow's `LazyAdam` and PyTorch's `SparseAdam`
    /// do; as there, the bias corrections count all steps.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lazy: bool,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: Some(1.0),
            lazy: false,
        }
    }
}

/// AdamW optimizer: two moments for each parameter, created at its first gradient.
///
/// # Source
/// Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2; clipping as PyTorch's `clip_grad_norm_`:
/// gradients are multiplied by `max_grad_norm / (norm + 1e-6)` when that is below one.
pub struct AdamW {
    config: AdamWConfig,
    moments: BTreeMap<String, Moments>,
}

struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
    n_steps: u64,
}

impl AdamW {
    /// Creates an optimizer without moments.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, moments: BTreeMap::new() }
    }

    /// Optimizer step: updates the parameters of `module` that have a gradient.
    ///
    /// Returns the module and the global norm before clipping. If the norm is not finite, nothing
    /// is updated.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: Gradients,
        rates: impl Into<Rates>,
    ) -> (M, GradientNorm) {
        let clip = gradients.clip(self.config.max_grad_norm);
        let Some(clip) = clip else { return (module, GradientNorm(None)) };
        let rates = rates.into();
        let mut taker =
            Taker { optimizer: self, gradients, rates, groups: Vec::new(), sparse: Vec::new() };
        let module = map_parameters(module, &mut taker);
        let Taker { groups, sparse, .. } = taker;
        let mut updated = BTreeMap::new();
        let mut put = |path: String, [values, first, second]: [Tensor<1>; 3], n_steps: u64| {
            self.moments.insert(path.clone(), Moments { first, second, n_steps });
            updated.insert(path, values);
        };
        for (step, group) in groups {
            let (paths, params): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let stepped = adamw(params, clip.clone(), step);
            for (path, stepped) in paths.into_iter().zip(stepped) {
                put(path, stepped, step.step);
            }
        }
        for (step, path, param) in sparse {
            put(path, sparse_adamw(param, clip.clone(), step), step.step);
        }
        (map_parameters(module, &mut Putter(updated)), GradientNorm(Some(clip)))
    }

    /// Optimizer state: the moments as tensors `first.<path>` and `second.<path>`, and the step
    /// count of each parameter.
    pub fn state(&self) -> (Vec<NamedParam>, BTreeMap<String, u64>) {
        let mut tensors = Vec::with_capacity(2 * self.moments.len());
        for (path, moments) in &self.moments {
            tensors.push(NamedParam::new(format!("first.{path}"), moments.first.clone()));
            tensors.push(NamedParam::new(format!("second.{path}"), moments.second.clone()));
        }
        let steps = self.moments.iter().map(|(path, moments)| (path.clone(), moments.n_steps));
        (tensors, steps.collect())
    }

    /// Restores the optimizer from its [`state`](Self::state); `read` returns the values of a
    /// tensor by name.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn restore<E>(
        config: AdamWConfig,
        steps: &BTreeMap<String, u64>,
        device: &Device,
        mut read: impl FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let mut moments = BTreeMap::new();
        for (path, n_steps) in steps {
            let mut tensor = |name: String| {
                let values = read(&name)?;
                let shape = [values.len()];
                Ok(Tensor::from_data(TensorData::new(values, shape), device))
            };
            let first = tensor(format!("first.{path}"))?;
            let second = tensor(format!("second.{path}"))?;
            moments.insert(path.clone(), Moments { first, second, n_steps: *n_steps });
        }
        Ok(Self { config, moments })
    }
}

/// Global gradient norm of a step, before clipping; it stays on the device until it is read.
#[derive(Clone, Debug)]
pub struct GradientNorm(Option<Tensor<1>>);

impl GradientNorm {
    /// The norm as a tensor, `[1]`; `None` if there were no gradients, whose norm is zero.
    pub fn tensor(&self) -> Option<Tensor<1>> {
        self.0.as_ref().map(|clip| clip.clone().narrow(0, 0, 1))
    }

    /// Reads the norm from the device.
    pub fn read(&self) -> f64 {
        self.tensor().map_or(0.0, |norm| norm.into_scalar::<f64>())
    }
}

/// Mapper that takes the parameters with a gradient out of a module, grouped by the step that they
/// take; it puts placeholders in their place.
///
/// A parameter that the module still held would have two owners, and could not be updated in place.
struct Taker<'a> {
    optimizer: &'a mut AdamW,
    gradients: Gradients,
    rates: Rates,
    groups: Vec<(AdamWStep, Vec<(String, AdamWParam)>)>,
    sparse: Vec<(AdamWStep, String, SparseAdamWParam)>,
}

impl ParamMapper for Taker<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove(path) else {
            return param;
        };
        let config = &self.optimizer.config;
        let moments = self.optimizer.moments.remove(path).unwrap_or_else(|| {
            let [first, second] = std::array::from_fn(|_| gradient.zeros());
            Moments { first, second, n_steps: 0 }
        });
        let step = AdamWStep {
            learning_rate: self.rates.for_path(path),
            beta_1: config.betas[0],
            beta_2: config.betas[1],
            epsilon: config.epsilon,
            weight_decay: if D > 1 { config.weight_decay } else { 0.0 },
            step: moments.n_steps + 1,
            lazy_row: param
                .dims()
                .last()
                .copied()
                .filter(|_| config.lazy && path == TOKEN_EMBEDDINGS),
        };
        let Moments { first: moment_1, second: moment_2, .. } = moments;
        let shape = param.shape();
        match gradient {
            Gradient::Dense(gradient) => {
                let (values, param) = take_values(param, gradient.clone().reshape(shape));
                let taken = AdamWParam { values, gradient, moment_1, moment_2 };
                let taken = (path.to_owned(), taken);
                match self.groups.iter_mut().find(|(other, _)| *other == step) {
                    Some((_, group)) => group.push(taken),
                    None => self.groups.push((step, vec![taken])),
                }
                param
            }
            Gradient::Sparse(gradient) => {
                // One element stands for the whole matrix.
                let placeholder = Tensor::<D>::zeros([1; D], &moment_1.device()).expand(shape);
                let (values, param) = take_values(param, placeholder);
                let (gradient, rows) = (gradient.values(), gradient.rows());
                let taken = SparseAdamWParam { values, gradient, rows, moment_1, moment_2 };
                self.sparse.push((step, path.to_owned(), taken));
                param
            }
        }
    }
}

/// Mapper that puts updated values back into a module.
struct Putter(BTreeMap<String, Tensor<1>>);

impl ParamMapper for Putter {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(path) {
            Some(values) => put_values(param, values),
            None => param,
        }
    }
}
