//! Layer normalization of a residual sum: `LN(dropout(x) + residual)`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_kernels::{Dropout, dropout_add_layer_norm};

use crate::params::{Builder, Init};

/// Layer normalization over the last dimension, with weight and bias.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

impl LayerNorm {
    /// Builds a layer normalization; its weight is initialized with ones and its bias with zeros.
    pub(crate) fn init(path: &str, width: usize, builder: &mut Builder<'_>) -> Self {
        Self {
            weight: builder.param(&format!("{path}.weight"), [width], Init::Ones),
            bias: builder.param(&format!("{path}.bias"), [width], Init::Zeros),
        }
    }

    /// Layer normalization of `dropout(x) + residual`.
    pub(crate) fn add<const D: usize>(
        &self,
        x: Tensor<D>,
        residual: Tensor<D>,
        epsilon: f64,
        dropout: Dropout,
    ) -> Tensor<D> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        dropout_add_layer_norm(x, residual, weight, bias, epsilon, dropout)
    }
}
