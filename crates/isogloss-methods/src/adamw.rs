//! AdamW optimizer (Loshchilov & Hutter 2019), with gradient clipping by global norm.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::adamw;
use isogloss_model::{NamedParam, ParamMapper, map_parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gradients::Gradients;
use crate::learning_rate::Rates;
use crate::parameters::{TOKEN_EMBEDDINGS, change_values};

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
    ) -> (M, f64) {
        let norm = gradients.global_norm();
        if !norm.is_finite() {
            return (module, norm);
        }
        let clip = |max: f64| (max / (norm + 1e-6)).min(1.0);
        let grad_scale = self.config.max_grad_norm.map_or(1.0, clip);
        let rates = rates.into();
        let mut stepper = Stepper { optimizer: self, gradients, rates, grad_scale };
        (map_parameters(module, &mut stepper), norm)
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

struct Stepper<'a> {
    optimizer: &'a mut AdamW,
    gradients: Gradients,
    rates: Rates,
    grad_scale: f64,
}

impl ParamMapper for Stepper<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove(path) else {
            return param;
        };
        let config = &self.optimizer.config;
        let moments = self.optimizer.moments.remove(path).unwrap_or_else(|| Moments {
            first: gradient.zeros_like(),
            second: gradient.zeros_like(),
            n_steps: 0,
        });
        let n_steps = moments.n_steps + 1;
        let step = isogloss_kernels::AdamWStep {
            learning_rate: self.rates.for_path(path),
            beta_1: config.betas[0],
            beta_2: config.betas[1],
            epsilon: config.epsilon,
            weight_decay: if D > 1 { config.weight_decay } else { 0.0 },
            step: n_steps,
            grad_scale: self.grad_scale,
            lazy_row: param
                .dims()
                .last()
                .copied()
                .filter(|_| config.lazy && path == TOKEN_EMBEDDINGS),
        };

        change_values(param, |values| {
            let [values, first, second] =
                adamw(values, gradient, moments.first, moments.second, step);
            let moments = Moments { first, second, n_steps };
            self.optimizer.moments.insert(path.to_owned(), moments);
            values
        })
    }
}
