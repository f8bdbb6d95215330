//! Substring search: all vocabulary pieces that any segmentation of a word can contain.

use tokenizers::Model as _;
use tokenizers::models::ModelWrapper;

use crate::subword::trie::Trie;

/// Vocabulary of a subword model, as tries for substring search in words.
#[derive(Debug)]
pub(crate) struct Substrings {
    pieces: Trie,
    /// Continuation pieces, such as `##ing`, without their prefix; `None` if the model has no such
    /// prefix.
    later: Option<Trie>,
}

impl Substrings {
    /// Builds the tries of the vocabulary of a model.
    pub(crate) fn new(model: &ModelWrapper) -> Self {
        let vocab = model.get_vocab();
        let prefix = continuing_prefix(model);
        let later = prefix.map(|prefix| {
            Trie::new(
                vocab.iter().filter_map(|(piece, &id)| Some((piece.strip_prefix(prefix)?, id))),
            )
        });
        let pieces = Trie::new(vocab.iter().map(|(piece, &id)| (piece.as_str(), id)));
        Self { pieces, later }
    }

    /// Finds the ids of the pieces that match at any position of a word.
    pub(crate) fn find_in(&self, word: &str) -> Vec<u32> {
        let at = |(start, _): (usize, char)| {
            let pieces = match &self.later {
                Some(later) if start > 0 => later,
                _ => &self.pieces,
            };
            let rest = word.as_bytes().get(start..).unwrap_or_default();
            pieces.prefixes(rest).map(|(_, id)| id).collect::<Vec<_>>()
        };
        word.char_indices().flat_map(at).collect()
    }
}

/// The prefix of pieces that continue a word, such as `##`; `None` if the model has none.
pub(crate) fn continuing_prefix(model: &ModelWrapper) -> Option<&str> {
    let prefix = match model {
        ModelWrapper::WordPiece(model) => Some(model.continuing_subword_prefix.as_str()),
        ModelWrapper::BPE(model) => model.continuing_subword_prefix.as_deref(),
        ModelWrapper::Unigram(_) | ModelWrapper::WordLevel(_) => None,
    };
    prefix.filter(|prefix| !prefix.is_empty())
}
