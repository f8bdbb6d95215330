//! Language sampling in multilingual training: the language of the next batch; one file for each
//! rule.

mod by_size;
mod rule;
mod ucb;
mod uniform;

use isogloss_kernels::uniform;

pub use by_size::SizeSamplingConfig;
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
}

impl Default for LanguageSampling {
    fn default() -> Self {
        Self::Uniform(UniformSamplingConfig {})
    }
}

impl LanguageSampling {
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
        let temperature = self.sampling.rule().temperature();
        let weights = || self.languages.iter().map(|language| language.weight);
        let highest = weights().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> =
            weights().map(|weight| ((weight - highest) / temperature).exp()).collect();
        let sum: f64 = shares.iter().sum();
        shares.into_iter().map(|share| share / sum).collect()
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
        self.sampling.rule().update(&mut self.languages);
    }

    /// Whether later draws depend on the losses of earlier batches.
    pub fn follows_losses(&self) -> bool {
        self.sampling.rule().follows_losses()
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
        assert!(fields(LanguageSampling::Ucb(UcbSamplingConfig::default())).is_empty());
    }
}
