//! Subword models (Unigram, BPE, WordPiece): segmentation of words into vocabulary pieces, and
//! subword regularization.
//!
//! One file for each kind of model: Unigram ([`lattice`]), BPE ([`merges`]), WordPiece
//! ([`max_match`]).

mod lattice;
mod max_match;
mod merges;
mod sampler;
mod substrings;
mod trie;

use tokenizers::Token;
use tokenizers::models::ModelWrapper;

pub(crate) use merges::Merges;
pub use sampler::SubwordSamplingConfig;
#[cfg(test)]
pub(crate) use sampler::tests::fixture;
pub(crate) use sampler::{SamplerState, SubwordSampler};
pub(crate) use substrings::{Substrings, continuing_prefix};

/// The kind of a subword model, as `tokenizer.json` names it.
pub(crate) fn kind(model: &ModelWrapper) -> &'static str {
    match model {
        ModelWrapper::BPE(_) => "BPE",
        ModelWrapper::WordPiece(_) => "WordPiece",
        ModelWrapper::WordLevel(_) => "WordLevel",
        ModelWrapper::Unigram(_) => "Unigram",
    }
}

/// A token with byte offsets `start..end` in its word; its text is not used and left empty.
fn token(id: u32, start: usize, end: usize) -> Token {
    Token::new(id, String::new(), (start, end))
}
