//! MaxMatch-Dropout: segmentation of a WordPiece model that drops matching pieces at random
//! (Hiraoka 2022).

use rand::Rng;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::{Model as _, Token};

use crate::subword::token;
use crate::subword::trie::Trie;

/// WordPiece vocabulary: tries of initial and of continuation pieces.
#[derive(Debug)]
pub(super) struct MaxMatch {
    /// The pieces that a word may begin with.
    first: Trie,
    /// The continuation pieces, without their prefix.
    later: Trie,
    max_chars: usize,
}

impl MaxMatch {
    /// Builds the tries of initial and of continuation pieces of a model.
    pub(super) fn new(model: &WordPiece) -> Self {
        let vocab = model.get_vocab();
        let prefix = model.continuing_subword_prefix.as_str();
        let pieces = || vocab.iter().map(|(piece, &id)| (piece.as_str(), id));
        let later = pieces().filter_map(|(piece, id)| Some((piece.strip_prefix(prefix)?, id)));
        Self {
            first: Trie::new(pieces()),
            later: Trie::new(later),
            max_chars: model.max_input_chars_per_word,
        }
    }

    /// Samples a segmentation (MaxMatch-Dropout): at each position, every matching piece except the
    /// shortest is dropped with the probability `dropout`, and the longest remaining one is taken.
    ///
    /// `None` if the word is too long for the model, or no piece matches after the pieces taken so
    /// far.
    ///
    /// # Source
    /// After Hiraoka 2022, MaxMatch-Dropout, arXiv:2209.04126.
    pub(super) fn sample(
        &self,
        word: &str,
        dropout: f64,
        rng: &mut impl Rng,
    ) -> Option<Vec<Token>> {
        if word.chars().count() > self.max_chars {
            return None;
        }
        let mut tokens = Vec::new();
        let mut start = 0;
        while start < word.len() {
            let pieces = if start == 0 { &self.first } else { &self.later };
            let matches: Vec<(usize, u32)> =
                pieces.prefixes(word.as_bytes().get(start..)?).collect();
            let (shortest, longer) = matches.split_first()?;
            let kept = longer.iter().rev().find(|_| rng.random::<f64>() >= dropout);
            let &(len, id) = kept.unwrap_or(shortest);
            tokens.push(token(id, start, start + len));
            start += len;
        }
        Some(tokens)
    }
}
