//! Temperature sampling of languages by dataset size (Arivazhagan et al. 2019).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::SamplingRule;
use crate::faults::{Faults, positive};
use crate::method::{Method, MethodInfo, options};

/// Temperature sampling: draws languages with probability proportional to `size ^ (1 / τ)`; w is
/// the logarithm of the size.
///
/// *Also called* exponential smoothing of languages.
///
/// # Source
/// Arivazhagan et al. 2019, arXiv:1907.05019, with their τ of 5; XLM-R's exponent of 0.3 is a τ
/// of 3.33.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SizeSamplingConfig {
    /// Temperature τ: 1 keeps the proportions of the data, higher values are closer to uniform.
    pub temperature: f64,
}

impl SizeSamplingConfig {
    /// Sampling in proportion to the dataset sizes: τ = 1.
    pub fn proportional() -> Self {
        Self { temperature: 1.0 }
    }
}

impl Default for SizeSamplingConfig {
    fn default() -> Self {
        Self { temperature: 5.0 }
    }
}

impl Method for SizeSamplingConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "by_size",
        title: "Temperature sampling",
        paper: "Arivazhagan et al. 2019, arXiv:1907.05019",
        formula: "p(language) ∝ size^(1/τ)",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        positive("by_size.temperature", self.temperature).into_iter().collect()
    }
}

impl SamplingRule for SizeSamplingConfig {
    fn temperature(&self) -> f64 {
        self.temperature
    }

    fn first_weight(&self, size: usize) -> f64 {
        (size as f64).ln()
    }
}
