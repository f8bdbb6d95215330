//! Subword regularization (Kudo 2018), BPE-dropout and MaxMatch-Dropout: samples segmentations of
//! words into subwords, for Unigram, BPE and WordPiece models.
//!
//! Only the segmentation of words is sampled; normalization, pre-tokenization, added tokens,
//! special tokens and truncation are those of the tokenizer.

use std::cell::RefCell;

use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::Token;
use tokenizers::models::ModelWrapper;

use crate::TextError;
use crate::fault::{Fault, not_positive, outside};
use crate::subword::kind;
use crate::subword::lattice::{Lattice, Pieces};
use crate::subword::max_match::MaxMatch;
use crate::subword::merges::Merges;

/// The maximum `n_best`, as in SentencePiece.
const MAX_N_BEST: usize = 512;

/// The `[views.subword_sampled]` table of a recipe: subword regularization.
///
/// Words are those of the tokenizer's pre-tokenizer; a text without spaces may be one word.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SubwordSamplingConfig {
    /// The share of words whose segmentation is sampled, from 0 to 1; a sample may equal the usual
    /// segmentation.
    pub rate: f64,
    /// The smoothing or dropout of the sampling, above 0.
    ///
    /// With a Unigram tokenizer, a segmentation has a probability proportional to
    /// `exp(alpha * score)`, where the score is the sum of the scores of its pieces (Kudo 2018,
    /// arXiv:1804.10959, and SentencePiece's `alpha`): near 0 sampling is uniform, and a large
    /// alpha leaves only the best segmentation.
    /// With a BPE tokenizer, the probability to skip a merge, at most 1 (BPE-dropout, Provilkov et
    /// al. 2020, arXiv:1910.13267).
    /// With a WordPiece tokenizer, the probability to drop a piece that matches, at most 1 (after
    /// MaxMatch-Dropout, Hiraoka 2022, arXiv:2209.04126).
    pub alpha: f64,
    /// Samples among this many best segmentations, 2 to 512; among all when unset. Only for Unigram
    /// tokenizers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_best: Option<usize>,
}

impl Default for SubwordSamplingConfig {
    /// Rate and alpha of the scripts of xTune (Zheng et al. 2021, arXiv:2106.08226).
    fn default() -> Self {
        Self { rate: 0.5, alpha: 0.3, n_best: None }
    }
}

impl SubwordSamplingConfig {
    /// Validates the configuration: the field, below `[views]`, and the reason of each invalid
    /// value.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::from_iter(outside("subword_sampled.rate", self.rate, 0.0..=1.0));
        faults.extend(not_positive("subword_sampled.alpha", self.alpha));
        if let Some(n_best) = self.n_best.filter(|n_best| !(2..=MAX_N_BEST).contains(n_best)) {
            let reason = format!("expected [2, {MAX_N_BEST}], found {n_best}");
            faults.push(("subword_sampled.n_best", reason));
        }
        faults
    }
}

/// Subword sampler: samples the segmentation of words, see [`SubwordSamplingConfig`].
#[derive(Debug)]
pub(crate) struct SubwordSampler {
    model: Model,
    rate: f64,
    alpha: f64,
    n_best: Option<usize>,
}

#[derive(Debug)]
enum Model {
    Unigram(Pieces),
    Bpe(Box<Merges>),
    WordPiece(MaxMatch),
}

/// Sampler state: the random number generator, and a lattice whose memory is reused for each word.
pub(crate) struct SamplerState<R> {
    rng: R,
    lattice: Lattice,
}

impl<R> SamplerState<R> {
    /// Creates a state with an empty lattice.
    pub(crate) fn new(rng: R) -> RefCell<Self> {
        RefCell::new(Self { rng, lattice: Lattice::default() })
    }
}

impl SubwordSampler {
    /// Creates a sampler for a subword model; `unk_id` is the id of the unknown piece of a Unigram
    /// model, which the model does not expose.
    ///
    /// # Errors
    /// [`TextError::InvalidViews`] for a tokenizer without subwords, and for a value that does not
    /// suit its kind of subword model.
    pub(crate) fn new(
        config: &SubwordSamplingConfig,
        model: &ModelWrapper,
        unk_id: Option<u32>,
    ) -> Result<Self, TextError> {
        let &SubwordSamplingConfig { rate, alpha, n_best } = config;
        let invalid = |field, reason| TextError::InvalidViews { field, reason };
        let kind = kind(model);
        let model = match model {
            ModelWrapper::Unigram(model) => Model::Unigram(Pieces::new(model, unk_id)),
            ModelWrapper::BPE(model) => {
                let unreadable =
                    |error: serde_json::Error| invalid("subword_sampled", error.to_string());
                Model::Bpe(Box::new(Merges::new(model).map_err(unreadable)?))
            }
            ModelWrapper::WordPiece(model) => Model::WordPiece(MaxMatch::new(model)),
            ModelWrapper::WordLevel(_) => {
                let reason = format!("a {kind} tokenizer has no subwords to draw from");
                return Err(invalid("subword_sampled", reason));
            }
        };
        if !matches!(model, Model::Unigram(_)) {
            if alpha > 1.0 {
                let reason = format!(
                    "expected a probability with a {kind} tokenizer, above 0 and at most 1, found {alpha}"
                );
                return Err(invalid("subword_sampled.alpha", reason));
            }
            if n_best.is_some() {
                let reason = format!("not with a {kind} tokenizer, whose subwords have no scores");
                return Err(invalid("subword_sampled.n_best", reason));
            }
        }
        Ok(Self { model, rate, alpha, n_best })
    }

    /// Samples the subwords of a word; `None` if the word keeps the tokenizer's segmentation,
    /// because `rate` does not select it or it has no segmentation.
    pub(crate) fn sample<R: Rng>(
        &self,
        word: &str,
        state: &RefCell<SamplerState<R>>,
    ) -> Option<Vec<Token>> {
        let SamplerState { rng, lattice } = &mut *state.borrow_mut();
        if rng.random::<f64>() >= self.rate {
            return None;
        }
        match &self.model {
            Model::Unigram(pieces) => pieces.sample(word, self.alpha, self.n_best, lattice, rng),
            Model::Bpe(merges) => merges.sample(word, self.alpha, rng),
            Model::WordPiece(pieces) => pieces.sample(word, self.alpha, rng),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
