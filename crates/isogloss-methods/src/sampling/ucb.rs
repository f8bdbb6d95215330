//! Upper-confidence-bound (UCB) sampling: languages with a high loss are drawn more often.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{LanguageRecord, SamplingRule};
use crate::faults::{Faults, at_least_one, positive, zero_or_more};
use crate::method::{Method, MethodInfo, options};

/// Upper-confidence-bound (UCB) sampling: draws languages with a high loss, or that were seldom
/// drawn, more often, with `w = mean loss + c √(ln t / (n + 1))`.
///
/// t is the number of all batches, n that of the language's batches, and the mean is over the
/// latter. A language that was never drawn gets the mean over all batches. Weights are recomputed
/// every k batches, and are all 0 before.
///
/// # Source
/// Nguyen, Gaschi et al., Online Language Adaptive Sampling, for the formula; the defaults are
/// ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UcbSamplingConfig {
    /// Temperature τ of the softmax.
    pub temperature: f64,
    /// Exploration factor c of the confidence bound.
    pub exploration: f64,
    /// Batches between two updates of the weights: k.
    pub update_every: u64,
}

impl Default for UcbSamplingConfig {
    fn default() -> Self {
        Self { temperature: 1.0, exploration: 1.0, update_every: 100 }
    }
}

impl Method for UcbSamplingConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "ucb",
        title: "Online language sampling by upper confidence bounds (UCB)",
        paper: "Nguyen, Gaschi et al., Online Language Adaptive Sampling",
        formula: "p(language) ∝ exp(w/τ), w = mean loss + c √(ln t / (n + 1))",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let temperature = positive("ucb.temperature", self.temperature);
        let exploration = zero_or_more("ucb.exploration", self.exploration);
        let update_every = at_least_one("ucb.update_every", self.update_every);
        [temperature, exploration, update_every].into_iter().flatten().collect()
    }
}

impl SamplingRule for UcbSamplingConfig {
    fn temperature(&self) -> f64 {
        self.temperature
    }

    fn follows_losses(&self) -> bool {
        true
    }

    fn update(&self, languages: &mut [LanguageRecord], _drawn: usize, _loss: f64) {
        let t: u64 = languages.iter().map(|language| language.n).sum();
        if !t.is_multiple_of(self.update_every) {
            return;
        }
        let mean = languages.iter().map(|language| language.loss_sum).sum::<f64>() / t as f64;
        for language in languages {
            let n = language.n as f64;
            let loss = if language.n > 0 { language.loss_sum / n } else { mean };
            language.weight = loss + self.exploration * ((t as f64).ln() / (n + 1.0)).sqrt();
        }
    }
}
