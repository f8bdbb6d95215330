//! Invertible adapter (MAD-X, Pfeiffer et al. 2020): a coupling layer between the embeddings and
//! the first block.

use burn::module::Module;
use burn::tensor::Tensor;

use super::activation::NonLinearity;
use super::width::bottleneck_width;
use crate::Init;
use crate::nn::Dense;
use crate::params::Builder;

/// Additive coupling layer (NICE) of the two halves of a hidden state: `y₁ = x₁ + F(x₂)`,
/// `y₂ = x₂ + G(y₁)`.
///
/// # Source
/// Dinh et al. 2015 (NICE), arXiv:1410.8516, §3.2; Pfeiffer et al. 2020 (MAD-X), arXiv:2005.00052,
/// §3.
#[derive(Module, Debug)]
pub(crate) struct Coupling {
    f: Subnet,
    g: Subnet,
}

/// Bottleneck network from one half to the other.
#[derive(Module, Debug)]
struct Subnet {
    down: Dense,
    up: Dense,
    #[module(skip)]
    non_linearity: NonLinearity,
}

impl Coupling {
    /// Builds the coupling layer of the adapter `name` for hidden states of `width`. The parameter
    /// paths are `invertible_adapters.<name>.<subnet>.<dense>` with `f` and `g`, `down` and `up`.
    pub(super) fn init(
        name: &str,
        reduction_factor: f64,
        non_linearity: NonLinearity,
        width: usize,
        builder: &mut Builder<'_>,
    ) -> Self {
        let (first, second) = (width / 2, width - width / 2);
        let mut subnet = |subnet: &str, n_inputs, n_outputs| {
            let inner = bottleneck_width(n_inputs, reduction_factor);
            let mut dense = |part: &str, sizes| {
                let path = format!("invertible_adapters.{name}.{subnet}.{part}");
                Dense::init_with(&path, sizes, Init::Normal(0.02), builder)
            };
            let (down, up) = (dense("down", [n_inputs, inner]), dense("up", [inner, n_outputs]));
            Subnet { down, up, non_linearity }
        };
        Self { f: subnet("f", second, first), g: subnet("g", first, second) }
    }

    /// Forward pass, `[batch, seq, hidden]` to the same shape.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (x_1, x_2) = halves(x);
        let y_1 = x_1 + self.f.forward(x_2.clone());
        let y_2 = x_2 + self.g.forward(y_1.clone());
        Tensor::cat(vec![y_1, y_2], 2)
    }

    /// Inverse of [`forward`](Self::forward).
    pub(crate) fn inverse(&self, y: Tensor<3>) -> Tensor<3> {
        let (y_1, y_2) = halves(y);
        let x_2 = y_2 - self.g.forward(y_1.clone());
        let x_1 = y_1 - self.f.forward(x_2.clone());
        Tensor::cat(vec![x_1, x_2], 2)
    }
}

impl Subnet {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.up.forward(self.non_linearity.forward(self.down.forward(x)))
    }
}

fn halves(x: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let [_, _, width] = x.dims();
    let first = width / 2;
    (x.clone().narrow(2, 0, first), x.narrow(2, first, width - first))
}
