//! Arithmetic on the parameters of a module: steps along gradients, random signs and directions.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::{signs, split_seed};
use isogloss_model::{ParamMapper, ParamVisitor, map_parameters, visit_parameters};

use crate::gradients::Gradients;

/// Path of the token embedding matrix. Weight noise skips it: noise on embeddings is another
/// method, and most of its rows have no gradient.
pub const TOKEN_EMBEDDINGS: &str = "encoder.embeddings.token.weight";

/// Replaces the values of a parameter, flattened and outside any autodiff graph, by the result of
/// `change`.
pub(crate) fn change_values<const D: usize>(
    param: Param<Tensor<D>>,
    change: impl FnOnce(Tensor<1>) -> Tensor<1>,
) -> Param<Tensor<D>> {
    let (id, tensor, mapper) = param.consume();
    let (requires_grad, shape) = (tensor.is_require_grad(), tensor.shape());
    let is_autodiff = tensor.is_autodiff();
    let flat = tensor.without_autodiff().reshape([shape.num_elements()]);
    let mut tensor = change(flat).reshape::<D, _>(shape);
    if is_autodiff {
        tensor = tensor.autodiff();
    }
    Param::from_mapped_value(id, tensor.set_require_grad(requires_grad), mapper)
}

/// Takes the values of a parameter, flattened and outside any autodiff graph, and leaves a
/// placeholder of their shape.
pub(crate) fn take_values<const D: usize>(
    param: Param<Tensor<D>>,
    placeholder: Tensor<D>,
) -> (Tensor<1>, Param<Tensor<D>>) {
    let (id, tensor, mapper) = param.consume();
    let n_elements = tensor.shape().num_elements();
    let requires_grad = tensor.is_require_grad();
    let placeholder = if tensor.is_autodiff() { placeholder.autodiff() } else { placeholder };
    let placeholder = placeholder.set_require_grad(requires_grad);
    let values = tensor.without_autodiff().reshape([n_elements]);
    (values, Param::from_mapped_value(id, placeholder, mapper))
}

/// Replaces the values of a parameter by others, flattened.
pub(crate) fn put_values<const D: usize>(
    param: Param<Tensor<D>>,
    values: Tensor<1>,
) -> Param<Tensor<D>> {
    let (id, tensor, mapper) = param.consume();
    let mut values = values.reshape::<D, _>(tensor.shape());
    if tensor.is_autodiff() {
        values = values.autodiff();
    }
    Param::from_mapped_value(id, values.set_require_grad(tensor.is_require_grad()), mapper)
}

/// Moves parameters along a direction: `θ + factor · direction`; parameters without a direction
/// are unchanged.
#[must_use]
pub fn shifted<M: Module>(module: M, direction: &Gradients, factor: f64) -> M {
    map_parameters(module, &mut Shift { direction, factor })
}

struct Shift<'a> {
    direction: &'a Gradients,
    factor: f64,
}

impl ParamMapper for Shift<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.direction.gradient(path) {
            Some(direction) => change_values(param, |values| direction.add_to(values, self.factor)),
            None => param,
        }
    }
}

/// Weight noise: adds `±scale` with random signs to every parameter but the embedding matrix.
///
/// Random signs have the same covariance as normal noise of that standard deviation, and are
/// cheaper.
#[must_use]
pub fn with_random_signs<M: Module>(module: M, scale: f64, seed: u64) -> M {
    map_parameters(module, &mut Signs { scale, seed })
}

struct Signs {
    scale: f64,
    seed: u64,
}

impl ParamMapper for Signs {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if path == TOKEN_EMBEDDINGS {
            return param;
        }
        let seed = seed_of(self.seed, path);
        change_values(param, |values| {
            let [n] = values.dims();
            let signs = sign_tensor(seed, n, &values.device());
            values + signs * self.scale
        })
    }
}

/// Random direction in parameter space: a random sign for each element, not normalized.
pub fn random_direction<M: Module>(module: &M, seed: u64) -> Gradients {
    let mut drawing = Drawing { seed, direction: Gradients::default() };
    visit_parameters(module, &mut drawing);
    drawing.direction
}

struct Drawing {
    seed: u64,
    direction: Gradients,
}

impl ParamVisitor for Drawing {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let seed = seed_of(self.seed, path);
        let n = param.shape().num_elements();
        let device = param.val().device().without_autodiff();
        self.direction.add(path.to_owned(), sign_tensor(seed, n, &device));
    }
}

/// Derives a seed for each parameter from its path.
fn seed_of(seed: u64, path: &str) -> u64 {
    path.bytes().fold(seed, |seed, byte| split_seed(seed, byte.into()))
}

fn sign_tensor(seed: u64, n: usize, device: &Device) -> Tensor<1> {
    let signs: Vec<f32> = signs(seed, n).collect();
    Tensor::from_data(TensorData::new(signs, [n]), device)
}
