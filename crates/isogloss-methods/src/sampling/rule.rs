//! Language sampling rule: the weights that languages are drawn with.

use serde::{Deserialize, Serialize};

/// Language sampling rule: initial values and updates of the weights `w` in `softmax(w / τ)`.
pub trait SamplingRule: Send {
    /// Temperature τ.
    fn temperature(&self) -> f64;

    /// Initial weight of a language with a dataset of this size: 0, if all begin alike.
    fn first_weight(&self, _size: usize) -> f64 {
        0.0
    }

    /// Whether the weights depend on losses.
    fn follows_losses(&self) -> bool {
        false
    }

    /// Updates the weights after the loss of a batch of the language with index `drawn` was
    /// recorded; a rule that does not follow losses keeps them.
    fn update(&self, _languages: &mut [LanguageRecord], _drawn: usize, _loss: f64) {}
}

/// Sampling statistics of a language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageRecord {
    /// Number of batches with a loss.
    pub n: u64,
    /// Sum of their losses.
    pub loss_sum: f64,
    /// Sampling weight w.
    pub weight: f64,
}

/// Sampling probability of each language: `softmax(w / τ)`.
pub(super) fn probabilities(languages: &[LanguageRecord], temperature: f64) -> Vec<f64> {
    let weights = || languages.iter().map(|language| language.weight);
    let highest = weights().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> =
        weights().map(|weight| ((weight - highest) / temperature).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.into_iter().map(|share| share / sum).collect()
}
