//! MAD-X's invertible adapter after the embeddings.

use burn::module::Module;
use burn::tensor::Tensor;

use super::bottleneck::config::{AdapterConfig, NonLinearity, reduced};
use crate::Init;
use crate::encoder::Dense;
use crate::params::Builder;

/// An additive coupling of the two halves of a hidden state: `y₁ = x₁ + F(x₂)`, `y₂ = x₂ + G(y₁)`.
///
/// # Source
/// Dinh et al. 2015 (NICE), arXiv:1410.8516, §3.2; Pfeiffer et al. 2020 (MAD-X), §3.
#[derive(Module, Debug)]
pub(crate) struct Coupling {
    f: Subnet,
    g: Subnet,
}

#[derive(Module, Debug)]
struct Subnet {
    down: Dense,
    up: Dense,
    #[module(skip)]
    non_linearity: NonLinearity,
}

impl Coupling {
    /// None unless the configuration asks for one.
    pub(crate) fn init(
        path: &str,
        config: &AdapterConfig,
        width: usize,
        builder: &mut Builder<'_>,
    ) -> Option<Self> {
        let factor = config.inv_adapter_reduction_factor?;
        let (first, second) = (width / 2, width - width / 2);
        let mut subnet = |name: &str, n_inputs, n_outputs| {
            let inner = reduced(n_inputs, factor);
            let mut dense = |part: &str, sizes| {
                let path = format!("{path}.{name}.{part}");
                Dense::init_with(&path, sizes, Init::Normal(0.02), builder)
            };
            Subnet {
                down: dense("down", [n_inputs, inner]),
                up: dense("up", [inner, n_outputs]),
                non_linearity: config.non_linearity,
            }
        };
        Some(Self { f: subnet("f", second, first), g: subnet("g", first, second) })
    }

    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (x_1, x_2) = halves(x);
        let y_1 = x_1 + self.f.forward(x_2.clone());
        let y_2 = x_2 + self.g.forward(y_1.clone());
        Tensor::cat(vec![y_1, y_2], 2)
    }

    pub(crate) fn inverse(&self, y: Tensor<3>) -> Tensor<3> {
        let (y_1, y_2) = halves(y);
        let x_2 = y_2 - self.g.forward(y_1.clone());
        let x_1 = y_1 - self.f.forward(x_2.clone());
        Tensor::cat(vec![x_1, x_2], 2)
    }
}

impl Subnet {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.up.forward(self.non_linearity.apply(self.down.forward(x)))
    }
}

fn halves(x: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let [_, _, width] = x.dims();
    let first = width / 2;
    (x.clone().narrow(2, 0, first), x.narrow(2, first, width - first))
}
