//! Multilingual batch sampler: each batch is of one sampled language, each language has its own
//! epochs.

use isogloss_kernels::split_seed;
use isogloss_methods::{LanguageRecord, LanguageSampler, LanguageSampling};
use isogloss_text::BatchOrder;
use serde::{Deserialize, Serialize};

/// Multilingual batch sampler: draws the language and the texts of each batch; all texts of a
/// language come once before any is repeated.
pub(crate) struct LanguageEpochs {
    sampling: LanguageSampling,
    sampler: LanguageSampler,
    batch_size: usize,
    seed: u64,
    languages: Vec<LanguageEpoch>,
}

/// Epoch state of a language.
struct LanguageEpoch {
    /// The length of each text, by which texts are grouped into batches.
    lengths: Vec<usize>,
    /// Batches drawn so far, over all epochs.
    n_drawn: u64,
    /// The number of the current epoch, and its batches.
    batches: Option<(u64, Vec<Vec<usize>>)>,
}

/// Checkpoint state of [`LanguageEpochs`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanguageEpochsProgress {
    languages: Vec<LanguageRecord>,
    n_drawn: Vec<u64>,
}

impl LanguageEpochs {
    /// Creates a sampler; `lengths` are those of the texts of each language, which has at least
    /// one.
    pub(crate) fn new(
        lengths: Vec<Vec<usize>>,
        sampling: &LanguageSampling,
        batch_size: usize,
        seed: u64,
    ) -> Self {
        let sizes: Vec<usize> = lengths.iter().map(Vec::len).collect();
        let first = |lengths| LanguageEpoch { lengths, n_drawn: 0, batches: None };
        Self {
            sampling: sampling.clone(),
            sampler: sampling.init(&sizes, split_seed(seed, u64::MAX)),
            batch_size,
            seed,
            languages: lengths.into_iter().map(first).collect(),
        }
    }

    /// A sampler of the same texts with another seed, at its beginning.
    pub(crate) fn separate(&self, seed: u64) -> Self {
        let lengths = self.languages.iter().map(|language| language.lengths.clone()).collect();
        Self::new(lengths, &self.sampling, self.batch_size, seed)
    }

    /// Number of batches that hold every text once.
    pub(crate) fn batches_per_epoch(&self) -> u64 {
        let batches = |language: &LanguageEpoch| language.lengths.len().div_ceil(self.batch_size);
        self.languages.iter().map(batches).sum::<usize>() as u64
    }

    /// The language of batch number `number`, and the indices of its texts.
    pub(crate) fn sample(&mut self, number: u64) -> (usize, Vec<usize>) {
        let language = self.sampler.draw(number);
        let (seed, batch_size) = (split_seed(self.seed, language as u64), self.batch_size);
        let texts = &mut self.languages[language];
        let n_batches = texts.lengths.len().div_ceil(batch_size) as u64;
        let (epoch, idx) = (texts.n_drawn / n_batches, (texts.n_drawn % n_batches) as usize);
        texts.n_drawn += 1;
        let batches = match texts.batches.take() {
            Some((known, batches)) if known == epoch => batches,
            _ => BatchOrder::GroupedByLength.epoch(&texts.lengths, batch_size, seed, epoch),
        };
        let indices = batches[idx].clone();
        texts.batches = Some((epoch, batches));
        (language, indices)
    }

    /// Records the loss of a batch of this language, for sampling by loss.
    pub(crate) fn record(&mut self, language: usize, loss: f64) {
        self.sampler.record(language, loss);
    }

    /// Whether the language of later batches depends on the losses of earlier ones.
    pub(crate) fn follow_losses(&self) -> bool {
        self.sampler.follows_losses()
    }

    pub(crate) fn progress(&self) -> LanguageEpochsProgress {
        LanguageEpochsProgress {
            languages: self.sampler.state().to_vec(),
            n_drawn: self.languages.iter().map(|language| language.n_drawn).collect(),
        }
    }

    /// Restores the state from a checkpoint; `false` if that is of other languages.
    #[must_use]
    pub(crate) fn restore(&mut self, progress: LanguageEpochsProgress) -> bool {
        let fits = progress.n_drawn.len() == self.languages.len();
        let languages = self.languages.iter_mut().zip(progress.n_drawn);
        languages.for_each(|(language, n_drawn)| language.n_drawn = n_drawn);
        self.sampler.restore(progress.languages).is_ok() && fits
    }
}
