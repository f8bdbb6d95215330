//! A rule of language sampling: the weights that languages are drawn with.

use serde::{Deserialize, Serialize};

/// How the weights `w` of `softmax(w / τ)` begin and change.
pub trait SamplingRule: Send {
    /// τ.
    fn temperature(&self) -> f64;

    /// The weight of a language with so much data, before the first batch.
    fn first_weight(&self, size: usize) -> f64;

    /// Changes the weights after the loss of a batch was recorded.
    fn update(&self, languages: &mut [LanguageRecord]);
}

/// What is known of a language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageRecord {
    /// Batches that had a loss.
    pub n: u64,
    /// The sum of their losses.
    pub loss_sum: f64,
    /// w.
    pub weight: f64,
}
