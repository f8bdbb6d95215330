//! Fisher penalty (Jastrzębski et al. 2021): the trace of the Fisher information as a loss.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::divergence::{Divergence, GradientFlow, Reduction, divergence};
use crate::error::ObjectiveError;
use crate::faults::Faults;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::{StepInput, matched_logits};
use crate::view::View;

/// Fisher penalty: the trace of the Fisher information as a loss, in nats per squared weight.
///
/// The gradient of the trace needs second derivatives, which Burn does not compute; each estimator
/// avoids them. A third method, finite differences of the gradient, is an update rather than a
/// loss: [`FisherStepConfig`](crate::FisherStepConfig).
///
/// # Source
/// Jastrzębski et al. 2021, arXiv:2012.14193, for the penalty; Stickland & Murray 2021 for its
/// relation to consistency losses. Both estimators are ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FisherPenaltyConfig {
    /// Estimator of the trace.
    pub estimator: TraceEstimator,
}

/// Estimator of the trace of the Fisher information that needs first derivatives only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TraceEstimator {
    /// Weight noise: `(KL(p_θ‖p_θ+δ) + KL(p_θ+δ‖p_θ)) / σ²` with random signs `±σ` on
    /// every weight but the embedding matrix, under the same dropout masks. Unbiased up to `σ²`;
    /// needs a second pass. Its gradient includes how the sampled labels depend on the weights.
    WeightNoise {
        /// Noise scale σ.
        scale: f64,
    },
    /// Closed form of the head: `(‖z‖² + 1) (1 - Σ p²)`, exact for the classifier's weight
    /// and bias on its features z; needs no second pass.
    Head {},
}

impl Default for FisherPenaltyConfig {
    fn default() -> Self {
        Self { estimator: TraceEstimator::WeightNoise { scale: 1e-3 } }
    }
}

impl FisherPenaltyConfig {
    fn noised(scale: f64) -> View {
        View { weight_noise: Some(scale), ..View::ORIGINAL }
    }
}

impl Method for FisherPenaltyConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "fisher_penalty",
        title: "Fisher penalty",
        paper: "Jastrzębski et al. 2021, arXiv:2012.14193",
        formula: "tr F ≈ (KL(p_θ‖p_θ+δ) + KL(p_θ+δ‖p_θ)) / σ²",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        match self.estimator {
            TraceEstimator::WeightNoise { scale } if !(scale > 0.0 && scale <= 1.0) => {
                vec![("estimator.weight_noise.scale", format!("expected (0, 1], found {scale}"))]
            }
            _ => Vec::new(),
        }
    }
}

impl Objective for FisherPenaltyConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views(match self.estimator {
            TraceEstimator::WeightNoise { scale } => vec![View::ORIGINAL, Self::noised(scale)],
            TraceEstimator::Head {} => vec![View::ORIGINAL],
        })
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let original = input.view(View::ORIGINAL, self.name())?;
        Ok(match self.estimator {
            TraceEstimator::WeightNoise { scale } => {
                let [p, q] =
                    matched_logits(original, input.view(Self::noised(scale), self.name())?);
                let (kind, reduction) = (Divergence::SymmetricKl, Reduction::BatchMean);
                divergence(kind, GradientFlow::Both, reduction, p, q) / scale.powi(2)
            }
            TraceEstimator::Head {} => {
                let [logits, features] = [&original.output.logits, &original.output.features]
                    .map(|rows| original.prediction_rows(rows.clone()));
                head_trace(logits, features).mean()
            }
        })
    }
}

/// Trace of the Fisher information of a linear classifier with a bias, for each row.
///
/// # Shapes
/// - `logits`: `[rows, labels]`
/// - `features`: `[rows, width]`, the input of the classifier
/// - returns: `[rows]`
///
/// # Source
/// The gradient of `log p(y)` is the outer product of `e_y - p` and `(z, 1)`, and the expectation
/// of `‖e_y - p‖²` over `y ~ p` is `1 - Σ p²`.
pub fn head_trace(logits: Tensor<2>, features: Tensor<2>) -> Tensor<1> {
    let n_rows = logits.dims()[0];
    let spread = softmax(logits, 1).square().sum_dim(1).neg() + 1.0;
    let inputs = features.square().sum_dim(1) + 1.0;
    (spread * inputs).reshape([n_rows])
}
