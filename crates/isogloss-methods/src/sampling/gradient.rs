//! Sampling by gradient: languages with a high loss are drawn more often, by stochastic gradient
//! ascent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{LanguageRecord, SamplingRule, probabilities};
use crate::faults::{Faults, positive};
use crate::method::{Method, MethodInfo, options};

/// Sampling by gradient: after each batch, a step of gradient ascent on the expected loss of a batch,
/// `E = Σ p loss` with `p = softmax(w / τ)`, in the weights w of all languages.
///
/// The gradient is estimated from the batch's language a and its loss l alone:
/// `w ← w + η (l - b) (1[language = a] - p) / τ`, where b is the mean of all earlier losses. Weights
/// are all 0 at first.
///
/// # Source
/// Nguyen, Gaschi et al., Online Language Adaptive Sampling, compare sampling by gradient with
/// [`UcbSamplingConfig`](super::UcbSamplingConfig); their formula is not at hand. This one is the
/// gradient bandit of Williams 1992 (REINFORCE) in the form of Sutton & Barto 2018, §2.8, and the
/// defaults are ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GradientSamplingConfig {
    /// Temperature τ of the softmax.
    pub temperature: f64,
    /// Learning rate η of the weights.
    pub learning_rate: f64,
}

impl Default for GradientSamplingConfig {
    fn default() -> Self {
        Self { temperature: 1.0, learning_rate: 0.1 }
    }
}

impl Method for GradientSamplingConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "gradient",
        title: "Online language sampling by gradient",
        paper: "Nguyen, Gaschi et al., Online Language Adaptive Sampling; Williams 1992",
        formula: "w ← w + η (loss - mean loss) (1[drawn] - p) / τ, p(language) ∝ exp(w/τ)",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let temperature = positive("gradient.temperature", self.temperature);
        let learning_rate = positive("gradient.learning_rate", self.learning_rate);
        temperature.into_iter().chain(learning_rate).collect()
    }
}

impl SamplingRule for GradientSamplingConfig {
    fn temperature(&self) -> f64 {
        self.temperature
    }

    fn follows_losses(&self) -> bool {
        true
    }

    fn update(&self, languages: &mut [LanguageRecord], drawn: usize, loss: f64) {
        let n_before = languages.iter().map(|language| language.n).sum::<u64>().saturating_sub(1);
        if n_before == 0 {
            return;
        }
        let sum = languages.iter().map(|language| language.loss_sum).sum::<f64>();
        let advantage = loss - (sum - loss) / n_before as f64;
        let shares = probabilities(languages, self.temperature);
        let factor = self.learning_rate * advantage / self.temperature;
        for (index, (language, share)) in languages.iter_mut().zip(shares).enumerate() {
            let is_drawn = if index == drawn { 1.0 } else { 0.0 };
            language.weight += factor * (is_drawn - share);
        }
    }
}
