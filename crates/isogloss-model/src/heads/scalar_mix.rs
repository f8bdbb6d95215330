//! Scalar mix (ELMo, Peters et al. 2018): a learned weighted sum of the hidden states of all
//! blocks.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::{Dropout, uniform};

use crate::Init;
use crate::params::Builder;

/// Layer-dropout mask value: added to the weight of a dropped layer before the softmax; far below
/// any weight, and finite.
const DROPPED: f32 = -1e9;

/// Scalar mix: a learned weighted sum of the blocks' hidden states, `γ Σ softmax(w)ₗ hₗ`.
///
/// Layer dropout: a dropped layer has zero weight in that pass. If all layers were dropped, none
/// is.
///
/// # Source
/// Peters et al. 2018, ELMo, arXiv:1802.05365, eq. 1, without layer normalization of the states;
/// layer dropout, Kondratyuk & Straka 2019, UDify, arXiv:1904.02099.
#[derive(Module, Debug)]
pub(crate) struct ScalarMix {
    weights: Param<Tensor<1>>,
    gamma: Param<Tensor<1>>,
}

impl ScalarMix {
    /// Builds the mix of `n_layers` layers with equal initial weights.
    pub(crate) fn init(path: &str, n_layers: usize, builder: &mut Builder<'_>) -> Self {
        Self {
            weights: builder.param(&format!("{path}.weights"), [n_layers], Init::Zeros),
            gamma: builder.param(&format!("{path}.gamma"), [1], Init::Ones),
        }
    }

    /// Weighted sum of the hidden states of the blocks, one per weight, each
    /// `[batch, seq, hidden]`.
    pub(crate) fn forward(&self, states: &[Tensor<3>], dropout: Dropout) -> Tensor<3> {
        let weights = self.weights.val();
        let n_layers = states.len();
        let is_dropped =
            |layer: usize| uniform(dropout.seed, layer as u64) < f64::from(dropout.rate);
        let dropped: Vec<bool> = (0..n_layers).map(is_dropped).collect();
        let weights = match (dropped.contains(&true), dropped.contains(&false)) {
            (true, true) => {
                let bias = dropped.iter().map(|dropped| if *dropped { DROPPED } else { 0.0 });
                let bias = TensorData::new(bias.collect::<Vec<_>>(), [n_layers]);
                let bias = Tensor::<1>::from_data(bias, &weights.device());
                weights + bias
            }
            _ => weights,
        };
        let shares = softmax(weights, 0) * self.gamma.val();
        let layers = states.iter().enumerate();
        let parts = layers.map(|(layer, states)| {
            states.clone() * shares.clone().narrow(0, layer, 1).reshape([1, 1, 1])
        });
        parts.reduce(|sum, part| sum + part).expect("an encoder has a block or more")
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::RandomParams;

    fn mixed(dropout: Dropout) -> Vec<f32> {
        let device = Device::flex();
        let mut builder = Builder { source: &mut RandomParams::new(1), device: &device };
        let mix = ScalarMix::init("mix", 3, &mut builder);
        let states = [1.0f32, 2.0, 6.0].map(|x| Tensor::<3>::full([1, 1, 2], x, &device));
        mix.forward(&states, dropout).into_data().try_into_vec().unwrap()
    }

    #[test]
    fn a_new_mix_is_the_mean_of_the_layers_that_are_not_dropped() {
        assert_eq!(mixed(Dropout::OFF), [3.0, 3.0]);
        let means: Vec<f32> = (0..200).map(|seed| mixed(Dropout { rate: 0.4, seed })[0]).collect();
        for mean in [3.0, 1.5, 3.5, 4.0, 1.0, 2.0, 6.0] {
            assert!(means.iter().any(|x| (x - mean).abs() < 1e-6), "no mean {mean} in {means:?}");
        }
    }
}
