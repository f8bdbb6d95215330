//! Guided dropout: units with much Fisher information are dropped less.

use serde::{Deserialize, Serialize};

use crate::faults::{Faults, at_least_one};
use crate::method::{DataNeed, Method, MethodInfo, options};

/// Configures guided dropout: a unit of a block's output is dropped the less, the higher its Fisher
/// score ranks among the units of that output. The mean rate stays the model's own.
///
/// A unit's score is the sum of the diagonal Fisher information over its row of the block's output
/// matrix, estimated once before training with labels drawn from the model.
///
/// # Source
/// After Sharma et al. 2024, arXiv:2406.14005. Our reading: the paper's abstract says that scores
/// modulate the rates; how they do is [`rates`](Self::rates), and is ours. They take scores on the
/// pre-training objective, we on the task with its new head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuidedDropoutConfig {
    /// γ: the rates run from `1 + γ / 2` times the mean for the lowest score down to `1 - γ / 2` times
    /// for the highest.
    pub gamma: f64,
    /// Batches that scores are estimated from.
    pub n_batches: usize,
}

impl Default for GuidedDropoutConfig {
    fn default() -> Self {
        Self { gamma: 1.0, n_batches: 20 }
    }
}

/// No unit is dropped more often than this.
const MAX_RATE: f64 = 0.5;

impl GuidedDropoutConfig {
    /// The rate of each unit: `mean (1 + γ (½ - (rank + ½) / n))` within `[0, ½]`, where the lowest
    /// score has rank 0 and equal scores rank by their index.
    pub fn rates(&self, scores: &[f64], mean: f64) -> Vec<f32> {
        let n = scores.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let mut rates = vec![0.0; n];
        for (rank, unit) in order.into_iter().enumerate() {
            let quantile = (rank as f64 + 0.5) / n as f64;
            rates[unit] = mean * (1.0 + self.gamma * (0.5 - quantile));
        }
        // What the upper bound takes from some is given to the others.
        for _ in 0..n {
            let now = rates.iter().map(|rate| rate.min(MAX_RATE)).sum::<f64>() / n as f64;
            if now <= 0.0 || now >= mean * (1.0 - 1e-9) {
                break;
            }
            rates.iter_mut().for_each(|rate| *rate *= mean / now);
        }
        rates.into_iter().map(|rate| rate.min(MAX_RATE) as f32).collect()
    }

    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Faults {
        Method::faults(self)
    }
}

impl Method for GuidedDropoutConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "guided_dropout",
        title: "Guided dropout",
        paper: "Sharma et al. 2024, arXiv:2406.14005",
        formula: "rate(unit) = rate (1 + γ (½ - (rank of its Fisher information + ½) / n))",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let gamma = (!(0.0..=2.0).contains(&self.gamma))
            .then(|| ("gamma", format!("expected [0, 2], found {}", self.gamma)));
        gamma.into_iter().chain(at_least_one("n_batches", self.n_batches as u64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(rates: &[f32]) -> f64 {
        rates.iter().map(|rate| f64::from(*rate)).sum::<f64>() / rates.len() as f64
    }

    #[test]
    fn important_units_are_dropped_less_and_the_mean_stays() {
        let config = GuidedDropoutConfig::default();
        let rates = config.rates(&[3.0, 1.0, 2.0, 4.0], 0.1);
        assert!(rates[3] < rates[0] && rates[0] < rates[2] && rates[2] < rates[1], "{rates:?}");
        assert!((mean(&rates) - 0.1).abs() < 1e-7);
        assert!((rates[1] - 0.1 * 1.375).abs() < 1e-7);
    }

    #[test]
    fn no_rate_passes_a_half_and_the_mean_still_stays() {
        let scores: Vec<f64> = (0..64).map(f64::from).collect();
        let rates = GuidedDropoutConfig { gamma: 2.0, n_batches: 1 }.rates(&scores, 0.4);
        assert!(rates.iter().all(|rate| (0.0..=0.5).contains(rate)));
        assert!((mean(&rates) - 0.4).abs() < 1e-6, "{}", mean(&rates));
    }
}
