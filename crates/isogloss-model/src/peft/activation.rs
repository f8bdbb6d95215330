//! Activation functions of adapters, by the names that the `adapters` library has for them.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu_approximate, leaky_relu, relu, silu, tanh};
use isogloss_kernels::gelu;
use serde::{Deserialize, Serialize};

/// The activation function in a bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonLinearity {
    /// `max(0, x)`.
    Relu,
    /// `x Φ(x)`.
    Gelu,
    /// The approximation of `x Φ(x)` by a hyperbolic tangent.
    GeluNew,
    /// `x / (1 + e⁻ˣ)`. Also called SiLU.
    #[serde(alias = "silu")]
    Swish,
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0.01 x)`.
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
