//! R3F and R4F (Aghajanyan et al. 2021): robustness to noise on the embeddings; R4F adds spectral
//! normalization of the head.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::divergence::{Divergence, GradientFlow, Reduction, divergence};
use crate::error::ObjectiveError;
use crate::faults::Faults;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::{StepInput, matched_logits};
use crate::view::{EmbeddingNoise, View};

/// Dropout masks of the clean and the noised pass: independent or shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoisedDropout {
    /// Each pass has its own masks, as published: at a noise of 1e-5 the loss then measures
    /// dropout, because the effect of the noise is below the resolution of `f32`.
    #[default]
    Independent,
    /// Both passes have the same masks: the loss divided by the noise's variance tends to the trace
    /// of the Fisher information with respect to the embeddings. Use a noise of 1e-3 or more.
    Shared,
}

/// R3F: the symmetric KL divergence `KL(p‖q) + KL(q‖p)` between the clean and the noised
/// prediction, as a regularizer.
///
/// The published loss adds cross-entropy on the clean pass, which is a separate objective here; the
/// paper's λ is the weight of this one (1.0 in fairseq, 0.7 in its example).
///
/// # Source
/// Aghajanyan et al. 2021, arXiv:2008.03156, §2, and fairseq's `rxf`: gradient through both sides,
/// none from the noised pass into the embedding matrix, the mean over the batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct R3fConfig {
    /// Noise on the token embeddings.
    pub noise: EmbeddingNoise,
    /// Dropout masks of the noised pass.
    pub dropout: NoisedDropout,
}

/// R4F: R3F with spectral normalization of the head, the classifier's weight divided by its largest
/// singular value.
///
/// # Source
/// As [`R3fConfig`]; the spectral normalization is that of Miyato et al. 2018, arXiv:1802.05957,
/// with the singular value computed anew at each step. The saved model holds the divided weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct R4fConfig {
    /// Noise on the token embeddings.
    pub noise: EmbeddingNoise,
    /// Dropout masks of the noised pass.
    pub dropout: NoisedDropout,
}

fn noised(noise: EmbeddingNoise, dropout: NoisedDropout) -> View {
    match dropout {
        NoisedDropout::Independent => View::noised(noise, 1),
        NoisedDropout::Shared => View::noised(noise, 0),
    }
}

fn loss(input: &StepInput, noised: View, name: &'static str) -> Result<Tensor<1>, ObjectiveError> {
    let [p, q] = matched_logits(input.view(View::ORIGINAL, name)?, input.view(noised, name)?);
    Ok(divergence(Divergence::SymmetricKl, GradientFlow::Both, Reduction::BatchMean, p, q))
}

impl Method for R3fConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "r3f",
        title: "R3F",
        paper: "Aghajanyan et al. 2021, arXiv:2008.03156",
        formula: "KL(p(x)‖p(x + z)) + KL(p(x + z)‖p(x)), z noise on the token embeddings",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        self.noise.faults()
    }
}

impl Objective for R3fConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([View::ORIGINAL, noised(self.noise, self.dropout)])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        loss(input, noised(self.noise, self.dropout), self.name())
    }
}

impl Method for R4fConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "r4f",
        title: "R4F",
        paper: "Aghajanyan et al. 2021, arXiv:2008.03156",
        formula: "R3F with the classifier's weight divided by its largest singular value",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        self.noise.faults()
    }
}

impl Objective for R4fConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let views = vec![View::ORIGINAL, noised(self.noise, self.dropout)];
        Needs { views, normalized_head: true, ..Needs::default() }
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        loss(input, noised(self.noise, self.dropout), self.name())
    }
}
