//! The pairs of each step: which language they are of, and how they come to the model.

use std::ops::Range;

use isogloss_kernels::split_seed;
use isogloss_methods::{LanguageRecord, LanguageSampler, TextView, WordLinks};
use isogloss_text::{BatchOrder, Encoded, Features, SentencePair, Target, TokenBatch, Tokenizer};
use serde::{Deserialize, Serialize};

use super::streams;
use crate::pairs::{LinkedPair, PairSet};
use crate::{Error, PairsRecipe};

/// Draws the pairs of each batch, all of one language.
pub(super) struct PairStream {
    pub(super) sets: Vec<PairSet>,
    pub(super) recipe: PairsRecipe,
    pub(super) tokenizer: Tokenizer,
    pad_token_id: u32,
    seed: u64,
    sampler: LanguageSampler,
    /// By language: batches drawn so far, and those of the epoch that they have come to.
    drawn: Vec<Drawn>,
}

#[derive(Default)]
struct Drawn {
    n: u64,
    epoch: Option<(u64, Vec<Vec<usize>>)>,
}

/// What a checkpoint keeps of a [`PairStream`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PairProgress {
    languages: Vec<LanguageRecord>,
    n_drawn: Vec<u64>,
}

/// The pairs of a batch.
pub(super) struct PairBatch {
    /// Its place among the sets.
    pub(super) language: usize,
    pub(super) texts: Vec<(TextView, TokenBatch)>,
    pub(super) links: WordLinks,
}

impl PairStream {
    pub(super) fn new(
        sets: Vec<PairSet>,
        recipe: &PairsRecipe,
        tokenizer: &Tokenizer,
        max_length: usize,
        pad_token_id: u32,
        seed: u64,
    ) -> Self {
        let sizes: Vec<usize> = sets.iter().map(|set| set.train.len()).collect();
        let sampler = recipe.sampling.init(&sizes, split_seed(seed, streams::LANGUAGES));
        let recipe =
            PairsRecipe { max_length: recipe.max_length.min(max_length), ..recipe.clone() };
        let drawn = sets.iter().map(|_| Drawn::default()).collect();
        let seed = split_seed(seed, streams::PAIRS);
        Self { sets, recipe, tokenizer: tokenizer.clone(), pad_token_id, seed, sampler, drawn }
    }

    /// Batches that show every pair once.
    pub(super) fn batches_per_epoch(&self) -> u64 {
        let batches = |set: &PairSet| set.train.len().div_ceil(self.recipe.batch_size);
        self.sets.iter().map(batches).sum::<usize>() as u64
    }

    /// Batch number `number` in these texts.
    pub(super) fn draw(&mut self, number: u64, texts: &[TextView]) -> Result<PairBatch, Error> {
        let language = self.sampler.draw(number);
        let places = self.places(language);
        let pairs: Vec<_> = places.iter().map(|at| &self.sets[language].train[*at]).collect();
        let sides = [self.encode(&pairs, |pair| &pair.left)?, self.encode(&pairs, |p| &p.right)?];
        let links = links(&pairs, &sides);
        let mut batch = PairBatch { language, texts: Vec::new(), links };
        for text in texts.iter().filter(|text| text.is_of_pairs()) {
            let side = match text {
                TextView::PairLeft | TextView::ContrastLeft => 0,
                _ => 1,
            };
            batch.texts.push((*text, self.collate(&sides[side])?));
        }
        Ok(batch)
    }

    /// The next batch of a language: every pair comes once before any comes again.
    fn places(&mut self, language: usize) -> Vec<usize> {
        let train = &self.sets[language].train;
        let n_batches = train.len().div_ceil(self.recipe.batch_size) as u64;
        let drawn = &mut self.drawn[language];
        let (epoch, at) = (drawn.n / n_batches, drawn.n % n_batches);
        drawn.n += 1;
        if drawn.epoch.as_ref().is_none_or(|(known, _)| *known != epoch) {
            let chars = |pair: &LinkedPair| pair.pair.left.len() + pair.pair.right.len();
            let lengths: Vec<usize> = train.iter().map(chars).collect();
            let seed = split_seed(self.seed, language as u64);
            let order = BatchOrder::GroupedByLength;
            let batches = order.epoch(&lengths, self.recipe.batch_size, seed, epoch);
            drawn.epoch = Some((epoch, batches));
        }
        drawn.epoch.as_ref().map(|(_, batches)| batches[at as usize].clone()).unwrap_or_default()
    }

    fn encode(
        &self,
        pairs: &[&LinkedPair],
        side: impl Fn(&SentencePair) -> &String,
    ) -> Result<Vec<Encoded>, Error> {
        let words = |pair: &&LinkedPair| -> Vec<String> {
            side(&pair.pair).split_whitespace().map(str::to_owned).collect()
        };
        let sentences: Vec<_> = pairs.iter().map(words).collect();
        Ok(self.tokenizer.encode_words_batch(&sentences, self.recipe.max_length)?)
    }

    fn collate(&self, side: &[Encoded]) -> Result<TokenBatch, Error> {
        let features =
            side.iter().map(|input| Features { input: input.clone(), target: Target::None });
        let features: Vec<_> = features.collect();
        let indices = (0..features.len()).collect();
        let features: Vec<_> = features.iter().collect();
        Ok(TokenBatch::collate(&features, indices, self.pad_token_id)?)
    }

    /// Takes note of the loss of a batch of this language.
    pub(super) fn record(&mut self, language: usize, loss: f64) {
        self.sampler.record(language, loss);
    }

    pub(super) fn progress(&self) -> PairProgress {
        PairProgress {
            languages: self.sampler.state().to_vec(),
            n_drawn: self.drawn.iter().map(|drawn| drawn.n).collect(),
        }
    }

    /// Goes on where a run with the same languages was; `false` if they are others.
    #[must_use]
    pub(super) fn restore(&mut self, progress: PairProgress) -> bool {
        let fits = progress.n_drawn.len() == self.drawn.len();
        self.drawn.iter_mut().zip(progress.n_drawn).for_each(|(drawn, n)| drawn.n = n);
        self.sampler.restore(progress.languages).is_ok() && fits
    }
}

/// The tokens of each word of each sentence, and the links counted through the batch.
fn links(pairs: &[&LinkedPair], [left, right]: &[Vec<Encoded>; 2]) -> WordLinks {
    let mut found = WordLinks::default();
    let (mut n_left, mut n_right) = (0, 0);
    for ((pair, left), right) in pairs.iter().zip(left).zip(right) {
        let links = pair.links.links().iter();
        found.links.extend(links.map(|(l, r)| (n_left + l, n_right + r)));
        let sides = [(&pair.pair.left, left), (&pair.pair.right, right)];
        let [left, right] = sides.map(|(text, encoded)| word_tokens(text, encoded));
        n_left += left.len();
        n_right += right.len();
        found.left_words.push(left);
        found.right_words.push(right);
    }
    found
}

/// The tokens of each word between whitespace; an empty range for a word that was cut off.
fn word_tokens(text: &str, encoded: &Encoded) -> Vec<Range<usize>> {
    let mut words = vec![0..0; text.split_whitespace().count()];
    for (token, word) in encoded.word_ids.iter().enumerate() {
        let Some(range) = word.and_then(|word| words.get_mut(word as usize)) else { continue };
        let start = if range.start == range.end { token } else { range.start };
        *range = start..token + 1;
    }
    words
}
