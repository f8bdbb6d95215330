//! Words cut into other subwords: subword regularisation.
//!
//! Normalization, pre-tokenization, added tokens, special tokens and truncation stay the tokenizer's; only the words between are cut anew.

mod lattice;
mod max_match;
mod merges;
mod substrings;
mod trie;

use std::cell::RefCell;

use rand::Rng;
use tokenizers::Token;
use tokenizers::models::ModelWrapper;

use crate::view::config::SubwordSamplingConfig;
use crate::{TextError, Tokenizer};
use lattice::{Lattice, Pieces};
use max_match::MaxMatch;
pub(crate) use merges::Merges;
pub(crate) use substrings::{Substrings, continuing_prefix};

/// Draws the subwords of words.
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

/// Random numbers, and what a lattice holds between one word and the next.
pub(crate) struct Draws<R> {
    rng: R,
    lattice: Lattice,
}

impl<R> Draws<R> {
    pub(crate) fn new(rng: R) -> RefCell<Self> {
        RefCell::new(Self { rng, lattice: Lattice::default() })
    }
}

impl SubwordSampler {
    /// A sampler for the subword model of a tokenizer.
    ///
    /// # Errors
    /// [`TextError::InvalidViews`] for a tokenizer without subwords, and for a value that its kind of subwords cannot be drawn with.
    pub(crate) fn new(
        config: &SubwordSamplingConfig,
        tokenizer: &Tokenizer,
    ) -> Result<Self, TextError> {
        let &SubwordSamplingConfig { rate, alpha, n_best } = config;
        let invalid = |field, reason| TextError::InvalidViews { field, reason };
        let kind = tokenizer.kind();
        let model = match tokenizer.model() {
            ModelWrapper::Unigram(model) => Model::Unigram(Pieces::new(model, tokenizer.unk_id())),
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

    /// The subwords of a word, if it is one of those that are cut anew; else, and where the cut is none, the tokenizer's own serve.
    pub(crate) fn draw<R: Rng>(&self, word: &str, draws: &RefCell<Draws<R>>) -> Option<Vec<Token>> {
        let Draws { rng, lattice } = &mut *draws.borrow_mut();
        if rng.random::<f64>() >= self.rate {
            return None;
        }
        match &self.model {
            Model::Unigram(pieces) => pieces.draw(word, self.alpha, self.n_best, lattice, rng),
            Model::Bpe(merges) => merges.draw(word, self.alpha, rng),
            Model::WordPiece(pieces) => pieces.draw(word, self.alpha, rng),
        }
    }
}

/// A token of a word, at `start..end` in bytes; its text is not looked at.
fn token(id: u32, start: usize, end: usize) -> Token {
    Token::new(id, String::new(), (start, end))
}

#[cfg(test)]
pub(in crate::view) mod tests;
