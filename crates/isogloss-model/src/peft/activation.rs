//! Activation functions of bottleneck adapters, by their names in the `adapters` library.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu_approximate, leaky_relu, relu, silu, tanh};
use isogloss_kernels::gelu;
use serde::{Deserialize, Serialize};

/// Activation function of a bottleneck adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonLinearity {
    /// ReLU: `max(0, x)`.
    Relu,
    /// GELU: `x Φ(x)`.
    Gelu,
    /// GELU in its tanh approximation.
    GeluNew,
    /// Swish, also called SiLU: `x / (1 + e⁻ˣ)`.
    #[serde(alias = "silu")]
    Swish,
    /// Hyperbolic tangent.
    Tanh,
    /// Leaky ReLU: `max(x, 0.01 x)`.
    #[serde(rename = "leakyrelu")]
    LeakyRelu,
}

impl NonLinearity {
    /// Applies the function to each element.
    pub(super) fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => relu(x),
            Self::Gelu => gelu(x),
            Self::GeluNew => gelu_approximate(x),
            Self::Swish => silu(x),
            Self::Tanh => tanh(x),
            Self::LeakyRelu => leaky_relu(x, 0.01),
        }
    }
}
