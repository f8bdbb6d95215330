//! Language sampling in multilingual training: the language of the next batch; one file for each
//! rule.

mod by_size;
mod gradient;
mod rule;
mod ucb;
mod uniform;

use isogloss_kernels::uniform;

pub use by_size::SizeSamplingConfig;
pub use gradient::GradientSamplingConfig;
pub use rule::{LanguageRecord, SamplingRule};
pub use ucb::UcbSamplingConfig;
pub use uniform::UniformSamplingConfig;

use crate::method::method_enum;

method_enum! {
    /// Language sampling: languages are drawn with the probabilities `softmax(w / τ)`.
    LanguageSampling, rule -> dyn SamplingRule, table SAMPLINGS;
    Uniform(UniformSamplingConfig),
    BySize(SizeSamplingConfig),
    Ucb(UcbSamplingConfig),
    Gradient(GradientSamplingConfig),
}

impl Default for LanguageSampling {
    fn default() -> Self {
        Self::Uniform(UniformSamplingConfig {})
    }
}

impl LanguageSampling {
    /// Whether later draws depend on the losses of earlier batches.
    pub fn follows_losses(&self) -> bool {
        self.rule().follows_losses()
    }

    /// Creates a sampler of languages with datasets of these sizes; at least one language.
    pub fn init(&self, sizes: &[usize], seed: u64) -> LanguageSampler {
        let rule = self.rule();
        let record =
            |size: &usize| LanguageRecord { n: 0, loss_sum: 0.0, weight: rule.first_weight(*size) };
        let languages = sizes.iter().map(record).collect();
        LanguageSampler { sampling: self.clone(), seed, languages }
    }
}

/// Language sampler: draws the language of each batch.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageSampler {
    sampling: LanguageSampling,
    seed: u64,
    languages: Vec<LanguageRecord>,
}

/// Error: a saved sampler state has another number of languages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of language sampling: expected {expected} languages, found {found}")]
pub struct SamplerStateError {
    /// Number of languages of the run.
    pub expected: usize,
    /// Number of languages of the state.
    pub found: usize,
}

impl LanguageSampler {
    /// Current sampling probability of each language.
    pub fn probabilities(&self) -> Vec<f64> {
        rule::probabilities(&self.languages, self.sampling.rule().temperature())
    }

    /// Draws the language of batch number `step`; a function of the seed, the step and the losses
    /// so far.
    pub fn draw(&self, step: u64) -> usize {
        let mut left = uniform(self.seed, step);
        let probabilities = self.probabilities();
        let drawn = probabilities.iter().position(|probability| {
            left -= probability;
            left < 0.0
        });
        // Rounding errors can leave a remainder after the last language.
        let last = || probabilities.iter().rposition(|probability| *probability > 0.0);
        drawn.or_else(last).unwrap_or_default()
    }

    /// Records the loss of a batch and updates the weights; batches without a loss are not
    /// recorded.
    pub fn record(&mut self, language: usize, loss: f64) {
        let record = &mut self.languages[language];
        record.n += 1;
        record.loss_sum += loss;
        self.sampling.rule().update(&mut self.languages, language, loss);
    }

    /// Whether later draws depend on the losses of earlier batches.
    pub fn follows_losses(&self) -> bool {
        self.sampling.follows_losses()
    }

    /// State of the sampler, for [`restore`](Self::restore).
    pub fn state(&self) -> &[LanguageRecord] {
        &self.languages
    }

    /// Restores the sampler from a [`state`](Self::state).
    ///
    /// # Errors
    /// If the state has another number of languages.
    pub fn restore(&mut self, state: Vec<LanguageRecord>) -> Result<(), SamplerStateError> {
        let (expected, found) = (self.languages.len(), state.len());
        if expected != found {
            return Err(SamplerStateError { expected, found });
        }
        self.languages = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near, "{found:?}, expected {expected:?}");
    }

    fn ucb(update_every: u64) -> LanguageSampling {
        LanguageSampling::Ucb(UcbSamplingConfig {
            temperature: 0.5,
            exploration: 2.0,
            update_every,
        })
    }

    #[test]
    fn sizes_count_with_the_root_that_the_temperature_says() {
        let at = |temperature| {
            let sampling = LanguageSampling::BySize(SizeSamplingConfig { temperature });
            sampling.init(&[1, 16, 0, 81], 0).probabilities()
        };
        assert_near(&at(1.0), &[1.0 / 98.0, 16.0 / 98.0, 0.0, 81.0 / 98.0]);
        assert_near(&at(4.0), &[1.0 / 6.0, 2.0 / 6.0, 0.0, 3.0 / 6.0]);
        let uniform = LanguageSampling::default().init(&[1, 16, 81], 0);
        assert_near(&uniform.probabilities(), &[1.0 / 3.0; 3]);
    }

    #[test]
    fn weights_are_the_mean_loss_and_a_bonus_for_the_seldom_drawn() {
        let mut sampler = ucb(4).init(&[9, 9, 9], 0);
        for (language, loss) in [(0, 1.0), (0, 3.0), (1, 0.5)] {
            sampler.record(language, loss);
            assert_near(&sampler.probabilities(), &[1.0 / 3.0; 3]);
        }
        sampler.record(0, 2.0);
        // t = 4; means 2 and 0.5, and 6.5 / 4 for the language that was never drawn.
        let bonus = |n: f64| 2.0 * (4f64.ln() / (n + 1.0)).sqrt();
        let weights = [2.0 + bonus(3.0), 0.5 + bonus(1.0), 1.625 + bonus(0.0)];
        let found: Vec<f64> = sampler.state().iter().map(|language| language.weight).collect();
        assert_near(&found, &weights);
        let shares = weights.map(|w| (w / 0.5).exp());
        let sum: f64 = shares.iter().sum();
        assert_near(&sampler.probabilities(), &shares.map(|share| share / sum));
    }

    #[test]
    fn gradient_steps_by_hand() {
        let config = GradientSamplingConfig { temperature: 2.0, learning_rate: 0.4 };
        let mut sampler = LanguageSampling::Gradient(config).init(&[9, 9], 0);
        // There is no mean of earlier losses yet.
        sampler.record(1, 5.0);
        assert_near(&sampler.probabilities(), &[0.5, 0.5]);
        // 2 below the mean of 5: away from language 0, by 0.4 (-2) (1 - 1/2) / 2.
        sampler.record(0, 3.0);
        let weights = |sampler: &LanguageSampler| -> Vec<f64> {
            sampler.state().iter().map(|language| language.weight).collect()
        };
        assert_near(&weights(&sampler), &[-0.2, 0.2]);
        // 3 above the mean of 4, with p = 1 / (1 + exp(-0.2)) = 0.549834 of language 1.
        sampler.record(1, 7.0);
        let step = 0.4 * 3.0 * (1.0 - 1.0 / (1.0 + (-0.2f64).exp())) / 2.0;
        assert_near(&weights(&sampler), &[-0.2 - step, 0.2 + step]);
    }

    #[test]
    fn the_gradient_is_that_of_the_expected_loss() {
        // The mean of the steps over draws is the derivative of Σ p loss by finite differences.
        let losses = [1.0, 4.0, 2.5];
        let record = |weight: f64| LanguageRecord { n: 2, loss_sum: 5.0, weight };
        let first: Vec<_> = [0.3, -0.2, 0.1].map(record).to_vec();
        let config = GradientSamplingConfig { temperature: 0.7, learning_rate: 1.0 };
        let expected_loss = |languages: &[LanguageRecord]| -> f64 {
            let shares = rule::probabilities(languages, 0.7);
            shares.iter().zip(losses).map(|(share, loss)| share * loss).sum()
        };
        let shares = rule::probabilities(&first, 0.7);
        let mut mean = [0.0; 3];
        for (drawn, loss) in losses.into_iter().enumerate() {
            let mut languages = first.clone();
            languages[drawn].n += 1;
            languages[drawn].loss_sum += loss;
            config.update(&mut languages, drawn, loss);
            for (mean, (after, before)) in mean.iter_mut().zip(languages.iter().zip(&first)) {
                *mean += shares[drawn] * (after.weight - before.weight);
            }
        }
        for (index, mean) in mean.into_iter().enumerate() {
            let moved = |h: f64| {
                let mut languages = first.clone();
                languages[index].weight += h;
                expected_loss(&languages)
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((mean - slope).abs() < 1e-8, "{mean}, expected {slope}");
        }
    }

    #[test]
    fn languages_are_drawn_with_their_probabilities() {
        let sampling = LanguageSampling::BySize(SizeSamplingConfig { temperature: 1.0 });
        let sampler = sampling.init(&[1, 0, 3], 7);
        let n = 1 << 14;
        let mut counts = [0; 3];
        (0..n).for_each(|step| counts[sampler.draw(step)] += 1);
        assert_eq!(counts[1], 0);
        let share = counts[2] as f64 / n as f64;
        assert!((share - 0.75).abs() < 0.02, "{share}");
        // The same seed draws the same, another seed does not.
        let draws = |seed| -> Vec<usize> {
            (0..64).map(|step| sampling.init(&[1, 1], seed).draw(step)).collect()
        };
        assert!(draws(1) == draws(1) && draws(1) != draws(2));
    }

    #[test]
    fn a_restored_sampler_goes_on_as_if_nothing_had_been() {
        let mut sampler = ucb(3).init(&[5, 5], 11);
        let go_on = |sampler: &mut LanguageSampler, from: u64| -> Vec<usize> {
            let draw = |step| {
                let language = sampler.draw(step);
                sampler.record(language, 0.1 + language as f64 + (step as f64).sin());
                language
            };
            (from..from + 20).map(draw).collect()
        };
        go_on(&mut sampler, 0);
        let state = sampler.state().to_vec();
        let mut restored = ucb(3).init(&[5, 5], 11);
        restored.restore(state).unwrap();
        assert_eq!(go_on(&mut restored, 20), go_on(&mut sampler, 20));
        let error = ucb(3).init(&[5], 11).restore(sampler.state().to_vec()).unwrap_err();
        assert_eq!(error, SamplerStateError { expected: 1, found: 2 });
    }

    #[test]
    fn each_fault_names_its_field() {
        let fields = |sampling: LanguageSampling| -> Vec<_> {
            sampling.faults().into_iter().map(|(field, _)| field).collect()
        };
        let wrong = UcbSamplingConfig { temperature: 0.0, exploration: -1.0, update_every: 0 };
        let expected = ["ucb.temperature", "ucb.exploration", "ucb.update_every"];
        assert_eq!(fields(LanguageSampling::Ucb(wrong)), expected);
        let wrong = SizeSamplingConfig { temperature: f64::INFINITY };
        assert_eq!(fields(LanguageSampling::BySize(wrong)), ["by_size.temperature"]);
        let wrong = GradientSamplingConfig { temperature: -1.0, learning_rate: 0.0 };
        let expected = ["gradient.temperature", "gradient.learning_rate"];
        assert_eq!(fields(LanguageSampling::Gradient(wrong)), expected);
        assert!(fields(LanguageSampling::Ucb(UcbSamplingConfig::default())).is_empty());
    }
}
