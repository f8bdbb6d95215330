//! Trust region aware minimization (TRAM, Sherborne et al. 2024): sharpness-aware minimization whose
//! radius is the distance of predictions in a trust region.

use isogloss_model::Model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asam::scaled_by_weights;
use super::rule::{GradientSource, UpdateMethod, UpdatePlace};
use super::sam::{Ascent, AscentStep};
use crate::faults::{Faults, positive, zero_or_more};
use crate::gradients::Gradients;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::view::EmbeddingNoise;

/// Trust region aware minimization (TRAM): the gradient at `θ + ρ d g / ‖g‖`, where g is the
/// gradient at θ, and the radius d is how far predictions of noised texts are from those of the
/// texts, `d = KL(p(y | x + z) ‖ p(y | x))`, the mean over rows, in nats. It looks far where the
/// model's predictions are unstable, and hardly moves where they are not.
///
/// The step of a text is taken with dropout, the two passes with masks of their own, as in the
/// authors' code. No gradient flows through d.
///
/// It combines as [`SamConfig`](super::SamConfig) does, and replaces it.
///
/// # Source
/// Sherborne et al. 2024, TRAM, arXiv:2310.03646, the variant TRAM-x, with noise as R3F has it; with
/// `adaptive`, weights are scaled as in [`AsamConfig`](super::AsamConfig). The variants by earlier
/// parameters are not here. The authors' code moves all parameters by `d / ‖g‖` without the
/// direction g, and divides the KL divergence by the numbers of labels and, twice, of rows; this
/// follows the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TramConfig {
    /// ρ, a factor of the radius; 1 in the paper.
    pub rho: f64,
    /// Noise z on the token embeddings.
    pub noise: EmbeddingNoise,
    /// Whether the neighborhood is wider where weights are large (ASAM).
    pub adaptive: bool,
    /// η, added to the sizes of the weights if `adaptive`.
    pub eta: f64,
}

impl Default for TramConfig {
    fn default() -> Self {
        Self { rho: 1.0, noise: EmbeddingNoise::default(), adaptive: false, eta: 0.01 }
    }
}

impl Method for TramConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "tram",
        title: "Trust region aware minimization (TRAM)",
        paper: "Sherborne et al. 2024, arXiv:2310.03646",
        formula: "∇L(θ + ρ d g / ‖g‖), g = ∇L(θ), d = KL(p(y | x + z) ‖ p(y | x))",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let rho = positive("rho", self.rho).into_iter();
        let noise = zero_or_more("noise.scale", self.noise.scale);
        rho.chain(noise).chain(zero_or_more("eta", self.eta)).collect()
    }
}

impl UpdateMethod for TramConfig {
    fn key(&self) -> &'static str {
        Self::INFO.key
    }

    fn place(&self) -> UpdatePlace {
        UpdatePlace::Ascent
    }
}

impl Ascent for TramConfig {
    fn step<E>(
        &self,
        model: &Model,
        gradients: Gradients,
        source: &mut dyn GradientSource<E>,
    ) -> Result<AscentStep, E> {
        let radius = self.rho * source.noise_divergence(model, self.noise)?;
        Ok(if self.adaptive {
            let (direction, norm) = scaled_by_weights(model, gradients, self.eta);
            AscentStep { direction, factor: radius / norm }
        } else {
            let factor = radius / gradients.global_norm();
            AscentStep { direction: gradients, factor }
        })
    }
}
