//! Dense layer, also called fully connected or linear layer: `y = x Wᵀ + b`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_kernels::linear;

use crate::params::{Builder, Init};

/// Dense layer in PyTorch's layout: the weight is `[out, in]`, the bias `[out]`.
#[derive(Module, Debug)]
pub(crate) struct Dense {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Param<Tensor<1>>,
}

impl Dense {
    /// Builds a layer of `[inputs, outputs]` with normally distributed weights of standard
    /// deviation `std`.
    pub(crate) fn init(path: &str, sizes: [usize; 2], std: f64, builder: &mut Builder<'_>) -> Self {
        Self::init_with(path, sizes, Init::Normal(std), builder)
    }

    /// Builds a layer of `[inputs, outputs]` with weights initialized by `init` and a zero bias.
    pub(crate) fn init_with(
        path: &str,
        [n_inputs, n_outputs]: [usize; 2],
        init: Init,
        builder: &mut Builder<'_>,
    ) -> Self {
        let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
        Self {
            weight: builder.param(&weight, [n_outputs, n_inputs], init),
            bias: builder.param(&bias, [n_outputs], Init::Zeros),
        }
    }

    /// Forward pass: `[.., in]` to `[.., out]`.
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.val(), self.bias.val())
    }
}
