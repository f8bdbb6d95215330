//! Language sampling rule: the weights that languages are drawn with.

use serde::{Deserialize, Serialize};

/// Language sampling rule: initial values and updates of the weights `w` in `softmax(w / τ)`.
pub trait SamplingRule: Send {
    /// Temperature τ.
    fn temperature(&self) -> f64;

    /// Initial weight of a language with a dataset of this size.
    fn first_weight(&self, size: usize) -> f64;

    /// Whether the weights depend on losses.
    fn follows_losses(&self) -> bool {
        false
    }

    /// Updates the weights after the loss of a batch was recorded.
    fn update(&self, languages: &mut [LanguageRecord]);
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
