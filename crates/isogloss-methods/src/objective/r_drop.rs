//! R-Drop: two passes with different dropout should agree.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Objective, ObjectiveError, StepInput, matched};
use crate::View;
use crate::divergence::{Divergence, GradientFlow, Reduction, divergence};

/// Configures R-Drop's whole loss, which stands in place of `cross_entropy`:
/// `½ (CE₁ + CE₂) + α · ½ (KL(p₁‖p₂) + KL(p₂‖p₁))`.
///
/// # Source
/// Liang et al. 2021, arXiv:2106.14448, §2. Their code sums the divergence over the batch, so that
/// its strength grows with the batch: `reduction = "sum"` gives that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RDropConfig {
    /// α.
    pub alpha: f64,
    /// From rows to the divergence; cross-entropy is always the mean.
    pub reduction: Reduction,
}

impl Default for RDropConfig {
    fn default() -> Self {
        Self { alpha: 1.0, reduction: Reduction::BatchMean }
    }
}

impl RDropConfig {
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let valid = self.alpha.is_finite() && self.alpha >= 0.0;
        let fault = || ("alpha", format!("expected zero or more, found {}", self.alpha));
        (!valid).then(fault).into_iter().collect()
    }
}

impl Objective for RDropConfig {
    fn name(&self) -> &'static str {
        "r_drop"
    }

    fn views(&self) -> Vec<View> {
        vec![View::ORIGINAL, View::second_pass()]
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let first = input.view(View::ORIGINAL, self.name())?;
        let second = input.view(View::second_pass(), self.name())?;
        let gold =
            first.cross_entropy(self.name(), 0.0)? + second.cross_entropy(self.name(), 0.0)?;
        let [p, q] = matched(first, second);
        let apart = divergence(Divergence::SymmetricKl, GradientFlow::Both, self.reduction, p, q);
        Ok((gold + apart * self.alpha) * 0.5)
    }
}
