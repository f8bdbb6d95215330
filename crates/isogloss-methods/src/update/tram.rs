//! Trust region aware minimization (TRAM, Sherborne et al. 2024): sharpness-aware minimization whose
//! radius is the distance of predictions in a trust region.

use burn::tensor::Device;
use isogloss_model::Model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asam::scaled_by_weights;
use super::rule::{GradientSource, UpdateMethod, UpdatePlace};
use super::sam::{Ascent, AscentStep};
use crate::faults::{Faults, positive, zero_or_more};
use crate::gradients::Gradients;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::momentum_encoder::MomentumEncoder;
use crate::state::{MethodState, SavedState, StateError, StateReader};
use crate::view::EmbeddingNoise;

/// Trust region aware minimization (TRAM): the gradient at `θ + ρ d g / ‖g‖`, where g is the
/// gradient at θ, and the radius d is how far predictions are from those of noised texts, or from
/// those of the parameters before the last step, in KL divergence, the mean over rows, in nats. It
/// looks far where the model's predictions are unstable, and hardly moves where they are not.
///
/// The step of a text is taken with dropout, as in the authors' code; the pass over the noised text
/// has masks of its own, that of earlier parameters has none. No gradient flows through d. The
/// earlier parameters are a copy of the model, which checkpoints hold too.
///
/// It combines as [`SamConfig`](super::SamConfig) does, and replaces it.
///
/// # Source
/// Sherborne et al. 2024, TRAM, arXiv:2310.03646: the variants TRAM-x, with noise as R3F has it, and
/// TRAM-θₜ₋₁; with `adaptive`, weights are scaled as in [`AsamConfig`](super::AsamConfig). The
/// variants by the pretrained parameters and by the Fisher information are not here. The authors'
/// code moves all parameters by `d / ‖g‖` without the direction g, and divides the KL divergence by
/// the numbers of labels and, twice, of rows; this follows the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TramConfig {
    /// ρ, a factor of the radius; 1 in the paper.
    pub rho: f64,
    /// Trust region: what predictions are compared with.
    pub trust_region: TrustRegion,
    /// Noise z on the token embeddings, of `trust_region = "noise"`.
    pub noise: EmbeddingNoise,
    /// Whether the neighborhood is wider where weights are large (ASAM).
    pub adaptive: bool,
    /// η, added to the sizes of the weights if `adaptive`.
    pub eta: f64,
}

/// Trust region of TRAM: the predictions whose distance is the radius.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrustRegion {
    /// Those of noised texts (TRAM-x): `KL(p(y | x + z) ‖ p(y | x))`.
    #[default]
    Noise,
    /// Those of the parameters before the last optimizer step (TRAM-θₜ₋₁), of which the first step
    /// has none but its own: `KL(p(y | x; θₜ₋₁) ‖ p(y | x; θₜ))`.
    Previous,
}

impl Default for TramConfig {
    fn default() -> Self {
        let (trust_region, noise) = (TrustRegion::default(), EmbeddingNoise::default());
        Self { rho: 1.0, trust_region, noise, adaptive: false, eta: 0.01 }
    }
}

impl Method for TramConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "tram",
        title: "Trust region aware minimization (TRAM)",
        paper: "Sherborne et al. 2024, arXiv:2310.03646",
        formula: "∇L(θ + ρ d g / ‖g‖), g = ∇L(θ), d = KL(p(y | x + z) ‖ p(y | x)) or KL(p(y | x; θₜ₋₁) ‖ p(y | x; θₜ))",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let rho = positive("rho", self.rho).into_iter();
        let noise = zero_or_more("noise.scale", self.noise.scale);
        let is_noised =
            self.trust_region == TrustRegion::Noise || self.noise == EmbeddingNoise::default();
        let unused = (!is_noised).then(|| ("noise", "is of trust_region = \"noise\"".to_owned()));
        rho.chain(noise).chain(unused).chain(zero_or_more("eta", self.eta)).collect()
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

/// TRAM with the parameters before the last step.
pub(super) struct Tram {
    config: TramConfig,
    previous: PreviousParameters,
}

impl TramConfig {
    pub(super) fn init(self) -> Tram {
        Tram { config: self, previous: PreviousParameters(MomentumEncoder::default()) }
    }
}

impl Ascent for Tram {
    fn name(&self) -> &'static str {
        TramConfig::INFO.key
    }

    fn state(&mut self) -> Option<&mut dyn MethodState> {
        match self.config.trust_region {
            TrustRegion::Noise => None,
            TrustRegion::Previous => Some(&mut self.previous),
        }
    }

    fn step<E>(
        &mut self,
        model: &Model,
        gradients: Gradients,
        source: &mut dyn GradientSource<E>,
    ) -> Result<AscentStep, E> {
        let TramConfig { rho, trust_region, noise, adaptive, eta } = self.config;
        let divergence = match trust_region {
            TrustRegion::Noise => source.noise_divergence(model, noise)?,
            TrustRegion::Previous => {
                let earlier = self.previous.0.model().unwrap_or(model);
                let divergence = source.parameter_divergence(model, earlier)?;
                self.previous.0.begin(model);
                divergence
            }
        };
        let radius = rho * divergence;
        Ok(if adaptive {
            let (direction, norm) = scaled_by_weights(model, gradients, eta);
            AscentStep { direction, factor: radius / norm }
        } else {
            let factor = radius / gradients.global_norm();
            AscentStep { direction: gradients, factor }
        })
    }
}

/// The parameters before the last optimizer step, none before the first.
struct PreviousParameters(MomentumEncoder);

impl MethodState for PreviousParameters {
    fn save(&self) -> SavedState {
        let tensors = self.0.parameters().unwrap_or_default();
        SavedState { tensors, ..SavedState::default() }
    }

    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        _device: &Device,
    ) -> Result<(), StateError> {
        self.0.restore(saved, model)
    }
}
