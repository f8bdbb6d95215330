//! Arithmetic on the parameters of a module: shifts along gradients, random signs, random directions.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::{signs, split_seed};
use isogloss_model::{ParamMapper, ParamVisitor, map_parameters, visit_parameters};

use crate::gradients::Gradients;

/// The embedding matrix: noise on it is another method's, and most of its rows have no
/// gradient.
pub(crate) const TOKEN_EMBEDDINGS: &str = "encoder.embeddings.token.weight";

/// Replaces the values of a parameter, flattened and outside any graph, by what `change` makes of
/// them.
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

/// `θ + factor · direction`; parameters without a direction stay.
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
        match self.direction.get(path) {
            Some(direction) => {
                change_values(param, |values| values + direction.clone() * self.factor)
            }
            None => param,
        }
    }
}

/// Adds `scale` with a random sign to every parameter but the embedding matrix.
///
/// Signs have the same covariance as normal noise of that deviation, and are cheaper.
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

/// A direction in the space of all parameters with a random sign in each, of no particular length.
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

/// A seed for each parameter.
fn seed_of(seed: u64, path: &str) -> u64 {
    path.bytes().fold(seed, |seed, byte| split_seed(seed, byte.into()))
}

fn sign_tensor(seed: u64, n: usize, device: &Device) -> Tensor<1> {
    let signs: Vec<f32> = signs(seed, n).collect();
    Tensor::from_data(TensorData::new(signs, [n]), device)
}
