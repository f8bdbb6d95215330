//! R-Drop (Liang et al. 2021): two passes with different dropout masks should give the same
//! prediction.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::divergence::{Divergence, GradientFlow, Reduction, divergence};
use crate::error::ObjectiveError;
use crate::faults::{Faults, zero_or_more};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::{StepInput, matched_logits};
use crate::view::View;

/// R-Drop, its whole loss, which replaces `cross_entropy`:
/// `½ (CE₁ + CE₂) + α · ½ (KL(p₁‖p₂) + KL(p₂‖p₁))`.
///
/// # Source
/// Liang et al. 2021, arXiv:2106.14448, §2. Their code sums the divergence over the batch, so that
/// its weight grows with the batch size: `reduction = "sum"` gives that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RDropConfig {
    /// Weight α of the divergence.
    pub alpha: f64,
    /// Reduction of the divergence over rows; cross-entropy is always the mean.
    pub reduction: Reduction,
}

impl Default for RDropConfig {
    fn default() -> Self {
        Self { alpha: 1.0, reduction: Reduction::BatchMean }
    }
}

impl Method for RDropConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "r_drop",
        title: "R-Drop",
        paper: "Liang et al. 2021, arXiv:2106.14448",
        formula: "½ (CE₁ + CE₂) + α · ½ (KL(p₁‖p₂) + KL(p₂‖p₁)) of two passes with other dropout",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        zero_or_more("alpha", self.alpha).into_iter().collect()
    }
}

impl Objective for RDropConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([View::ORIGINAL, View::second_pass()])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let first = input.view(View::ORIGINAL, self.name())?;
        let second = input.view(View::second_pass(), self.name())?;
        let gold =
            first.cross_entropy(self.name(), 0.0)? + second.cross_entropy(self.name(), 0.0)?;
        let [p, q] = matched_logits(first, second);
        let apart = divergence(Divergence::SymmetricKl, GradientFlow::Both, self.reduction, p, q);
        Ok((gold + apart * self.alpha) * 0.5)
    }
}
