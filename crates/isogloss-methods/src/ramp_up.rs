//! Ramp-up of a loss weight (Laine & Aila 2017; Tarvainen & Valpola 2017): a loss that joins the
//! others in the course of training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::{Faults, below_one, share};

/// Ramp-up of a loss weight: zero before `begin`, then `exp(-5 (1 - t)²)` of the weight, t from 0 to
/// 1 between `begin` and `end`, then all of it. Both are shares of the optimizer steps of the run.
///
/// Before `begin` the loss has no forward or backward pass. A loss that learns from the model's own predictions needs
/// a model that predicts something.
///
/// # Source
/// Laine & Aila 2017, arXiv:1610.02242, §2.1, and Tarvainen & Valpola 2017, arXiv:1703.01780: the same
/// curve over the first epochs, from the first step on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RampUp {
    /// Share of the steps before the loss joins.
    #[serde(default)]
    pub begin: f64,
    /// Share of the steps after which it has its whole weight; `begin`, for no curve between.
    pub end: f64,
}

impl RampUp {
    /// The share of the weight in a step; `progress` is the share of the steps that are done.
    pub fn factor(&self, progress: f64) -> f64 {
        if progress < self.begin {
            return 0.0;
        }
        if progress >= self.end {
            return 1.0;
        }
        let left = (self.end - progress) / (self.end - self.begin);
        (-5.0 * left * left).exp()
    }

    /// Validation errors: the invalid fields and the reasons.
    pub fn faults(&self) -> Faults {
        let order = || format!("expected at least begin, {}, found {}", self.begin, self.end);
        let is_reversed = self.end < self.begin;
        let shares = below_one("begin", self.begin).into_iter().chain(share("end", self.end));
        shares.chain(is_reversed.then(|| ("end", order()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_follows_the_curve_of_laine_and_aila() {
        let ramp_up = RampUp { begin: 0.2, end: 0.6 };
        // exp(-5), exp(-5/4) and exp(-5/16).
        let expected =
            [(0.1, 0.0), (0.2, 0.006_738), (0.4, 0.286_505), (0.5, 0.731_616), (0.6, 1.0)];
        for (progress, factor) in expected {
            let found = ramp_up.factor(progress);
            assert!((found - factor).abs() < 1e-6, "{progress}: {found}, expected {factor}");
        }
        let step = RampUp { begin: 0.5, end: 0.5 };
        assert_eq!([0.49, 0.5].map(|progress| step.factor(progress)), [0.0, 1.0]);
    }

    #[test]
    fn each_fault_names_its_field() {
        let fields = |begin, end| -> Vec<_> {
            RampUp { begin, end }.faults().into_iter().map(|(field, _)| field).collect()
        };
        assert_eq!(fields(0.5, 0.25), ["end"]);
        assert_eq!(fields(-0.1, 1.5), ["begin", "end"]);
        assert_eq!(fields(1.0, 1.0), ["begin"]);
        assert!(fields(0.25, 0.25).is_empty());
    }
}
