//! Model parameters: initialization, named parameters, and visiting or mapping all parameters of a
//! module.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::{normal, split_seed, uniform};

/// Weight initialization of a parameter that is not loaded from a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal distribution with mean zero and this standard deviation.
    Normal(f64),
    /// Truncated normal distribution with mean zero and this standard deviation, cut at two
    /// standard deviations.
    TruncatedNormal(f64),
    /// Uniform distribution in `[-bound, bound]`.
    Uniform(f64),
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
}

/// Source of parameter values while a model is built: random initialization or a checkpoint.
pub trait ParamSource {
    /// Returns the row-major values of the parameter at `path`, as many as `shape` has elements.
    ///
    /// `None` if the source has no valid values: the parameter is then a single zero, so that a
    /// shape from a corrupt file is never allocated, and the model must not be used. The source
    /// reports the error.
    fn take(&mut self, path: &str, shape: &[usize], init: Init) -> Option<Vec<f32>>;
}

/// Random initialization: draws each parameter by its [`Init`] from a seed and the parameter's
/// path.
#[derive(Clone, Copy, Debug)]
pub struct RandomParams {
    seed: u64,
}

impl RandomParams {
    /// Creates the source; equal seeds give equal parameters on every device.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl ParamSource for RandomParams {
    fn take(&mut self, path: &str, shape: &[usize], init: Init) -> Option<Vec<f32>> {
        let n = shape.iter().product();
        Some(match init {
            Init::Zeros => vec![0.0; n],
            Init::Ones => vec![1.0; n],
            Init::Normal(std) => self.draw(path, n, |seed, i| normal(seed, i) * std),
            Init::TruncatedNormal(std) => self.draw(path, n, |seed, i| {
                let mut tries = (0..).map(|n_tries| normal(split_seed(seed, n_tries), i));
                tries.find(|x| x.abs() <= 2.0).unwrap_or_default() * std
            }),
            Init::Uniform(bound) => {
                self.draw(path, n, |seed, i| (2.0 * uniform(seed, i) - 1.0) * bound)
            }
        })
    }
}

impl RandomParams {
    fn draw(&self, path: &str, n: usize, number: impl Fn(u64, u64) -> f64) -> Vec<f32> {
        let seed = path.bytes().fold(self.seed, |seed, byte| split_seed(seed, byte.into()));
        (0..n as u64).map(|i| number(seed, i) as f32).collect()
    }
}

/// Builds the parameters of a module on a device from a [`ParamSource`].
pub(crate) struct Builder<'a> {
    pub(crate) source: &'a mut dyn ParamSource,
    pub(crate) device: &'a Device,
}

impl Builder<'_> {
    /// Builds the parameter at `path` with the values of [`ParamSource::take`].
    pub(crate) fn param<const D: usize>(
        &mut self,
        path: &str,
        shape: [usize; D],
        init: Init,
    ) -> Param<Tensor<D>> {
        let data = match self.source.take(path, &shape, init) {
            Some(values) => TensorData::new(values, shape),
            None => TensorData::new(vec![0.0f32], [1; D]),
        };
        Param::from_data(data, self.device)
    }
}

/// Parameter visitor: is called for every parameter of a module.
pub trait ParamVisitor {
    /// Visits the parameter at `path`.
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>);
}

/// Parameter mapper: replaces every parameter of a module.
pub trait ParamMapper {
    /// Returns the replacement of the parameter at `path`.
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Visits every parameter of `module`, in the order of the fields.
pub fn visit_parameters<M: Module>(module: &M, visitor: &mut impl ParamVisitor) {
    module.visit(&mut Walk { path: Vec::new(), inner: visitor });
}

/// Maps every parameter of `module`.
#[must_use]
pub fn map_parameters<M: Module>(module: M, mapper: &mut impl ParamMapper) -> M {
    module.map(&mut Walk { path: Vec::new(), inner: mapper })
}

/// Replaces the parameters of `module` whose paths are in `values`, and removes those from
/// `values`.
pub(crate) fn replace_parameters<M: Module>(
    module: M,
    values: &mut BTreeMap<String, Vec<f32>>,
) -> M {
    map_parameters(module, &mut Replace(values))
}

/// Mapper that replaces parameters by path.
struct Replace<'a>(&'a mut BTreeMap<String, Vec<f32>>);

impl ParamMapper for Replace<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.0.remove(path) else {
            return param;
        };
        param.map(|old| {
            let new = TensorData::new(values, old.dims());
            let requires_grad = old.is_require_grad();
            Tensor::from_data(new, &old.device()).set_require_grad(requires_grad)
        })
    }
}

/// All parameters of `module` with their paths, in the order of the fields (PyTorch's
/// `named_parameters`).
pub fn named_parameters<M: Module>(module: &M) -> Vec<NamedParam> {
    let mut params = Vec::new();
    visit_parameters(module, &mut params);
    params
}

impl ParamVisitor for Vec<NamedParam> {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        self.push(NamedParam::new(path.to_owned(), param.val()));
    }
}

/// Named parameter; its values stay on the device until they are read.
pub struct NamedParam {
    /// Path in the model, or tensor name in a file.
    pub path: String,
    /// Shape.
    pub shape: Vec<usize>,
    read: Box<dyn Fn() -> TensorData>,
}

impl NamedParam {
    /// Creates a named parameter from a tensor.
    pub fn new<const D: usize>(path: String, tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        Self { path, shape, read: Box::new(move || tensor.clone().into_data()) }
    }

    /// Copies the values from the device.
    pub fn data(&self) -> TensorData {
        (self.read)()
    }
}

/// Whether Burn visits the variant of an enum, which is not part of a parameter's path.
fn is_variant(container_type: &str) -> bool {
    container_type.starts_with("Enum:")
}

/// Tracks the parameter path while Burn visits the fields of a module.
struct Walk<'a, T> {
    path: Vec<String>,
    inner: &'a mut T,
}

impl<T: ParamVisitor> ModuleVisitor for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if !is_variant(container_type) {
            self.path.push(name.to_owned());
        }
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        if !is_variant(container_type) {
            self.path.pop();
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.inner.visit(&self.path.join("."), param);
    }
}

impl<T: ParamMapper> ModuleMapper for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if !is_variant(container_type) {
            self.path.push(name.to_owned());
        }
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        if !is_variant(container_type) {
            self.path.pop();
        }
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.inner.map(&self.path.join("."), param)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_their_spread() {
        let draw = |init| RandomParams::new(1).take("a", &[1 << 14], init).unwrap();
        let deviation = |values: &[f32]| {
            let squares = values.iter().map(|x| f64::from(*x).powi(2));
            (squares.sum::<f64>() / values.len() as f64).sqrt()
        };
        let largest = |values: &[f32]| values.iter().fold(0f32, |max, x| max.max(x.abs()));
        assert!((deviation(&draw(Init::Normal(0.02))) / 0.02 - 1.0).abs() < 0.02);
        // Standard deviation of the normal distribution truncated at two standard deviations.
        let truncated = draw(Init::TruncatedNormal(0.01));
        assert!((deviation(&truncated) / 0.0088 - 1.0).abs() < 0.02);
        assert!(largest(&truncated) <= 0.02);
        let uniform = draw(Init::Uniform(0.25));
        assert!((deviation(&uniform) * 3f64.sqrt() / 0.25 - 1.0).abs() < 0.02);
        assert!((0.249..=0.25).contains(&largest(&uniform)));
    }
}
