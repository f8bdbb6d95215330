//! Vocabulary trimming: selects the pieces of a tokenizer to keep, and removes the others from its
//! file.
//!
//! If all pieces of a text are kept, its segmentation is unchanged.
//! A Unigram model takes the segmentation of the highest score, which still exists; the score of an
//! unknown character depends on the minimum score of the vocabulary, so a piece of that score is
//! kept.
//! WordPiece takes the longest matching piece, and trimming adds no longer one.
//! BPE applies the same merges in the same order, if the intermediate pieces are kept too.

mod file;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::Serialize;
use tokenizers::Model as _;
use tokenizers::models::ModelWrapper;
use tokenizers::parallelism::MaybeParallelRefIterator as _;

use crate::subword::{Merges, Substrings, continuing_prefix};
use crate::tokenizer::encoder::Encoder;
use crate::{TextError, Tokenizer, TokenizerInput};
pub use file::trim_tokenizer;

/// Number of texts that are tokenized in parallel before they are counted.
const CHUNK: usize = 4096;

/// Frequencies of vocabulary pieces in corpora, for vocabulary trimming.
///
/// Texts that are added in one call are a corpus, and each corpus has the same weight, regardless
/// of its size, so that many texts of one language do not displace the pieces of another.
#[derive(Debug)]
pub struct PieceCounts<'a> {
    tokenizer: &'a Tokenizer,
    /// The relative frequency of each piece, by id, summed over corpora; a merged BPE piece also
    /// counts the pieces it is merged from.
    shares: Vec<f64>,
    merges: Option<Merges>,
}

/// Trimmed vocabulary: the pieces to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPieces {
    /// The original ids, in order; the index of each is its new id.
    pub ids: Vec<u32>,
    /// How many of them occur in no text: special tokens, fallbacks for unknown text, characters.
    pub n_unseen: usize,
    /// How many pieces of the texts are not kept.
    pub n_lost: usize,
}

impl<'a> PieceCounts<'a> {
    /// Creates empty counts.
    ///
    /// # Errors
    /// [`TextError::Trim`] if the merges of a BPE model cannot be read.
    pub fn new(tokenizer: &'a Tokenizer) -> Result<Self, TextError> {
        let merges = match tokenizer.model() {
            ModelWrapper::BPE(model) => Some(Merges::new(model)),
            _ => None,
        };
        let merges = merges.transpose();
        let merges = merges.map_err(|error| TextError::Trim { reason: error.to_string() })?;
        Ok(Self { tokenizer, shares: vec![0.0; tokenizer.vocab_size()], merges })
    }

    /// Counts the pieces of the texts of a corpus.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the tokenizer refuses one.
    pub fn add(&mut self, texts: &[TokenizerInput<'_>]) -> Result<(), TextError> {
        let pieces = |text: &TokenizerInput<'_>| {
            let Some(merges) = &self.merges else {
                return Encoder::new(self.tokenizer).piece_ids(*text);
            };
            let passed = RefCell::new(Vec::new());
            let look = |word: &str| {
                passed.borrow_mut().extend(merges.intermediate_pieces(word));
                None
            };
            let ids = Encoder::resegmented(self.tokenizer, &look).piece_ids(*text)?;
            Ok(passed.into_inner().into_iter().chain(ids).collect())
        };
        count(&mut self.shares, texts, pieces)
    }

    /// Counts every piece of any segmentation of the words of a corpus, once for each position, as
    /// subword regularization can sample each of them.
    ///
    /// # Errors
    /// As [`PieceCounts::add`].
    pub fn add_all_segmentations(&mut self, texts: &[TokenizerInput<'_>]) -> Result<(), TextError> {
        let substrings = Substrings::new(self.tokenizer.model());
        count(&mut self.shares, texts, |text| {
            let found = RefCell::new(Vec::new());
            let look = |word: &str| {
                found.borrow_mut().extend(substrings.find_in(word));
                None
            };
            Encoder::resegmented(self.tokenizer, &look).piece_ids(*text)?;
            Ok(found.into_inner())
        })
    }

    /// Selects the pieces to keep: at most `limit`; if it is unset, all of the texts.
    ///
    /// In order of priority: special tokens, the ids of `needed` and the fallbacks for unknown
    /// text, then the characters of the texts, then other pieces of the texts, the more frequent
    /// first, then other characters.
    ///
    /// # Errors
    /// [`TextError::Trim`] if the pieces of the first priority exceed `limit`, or no piece was
    /// counted.
    pub fn select(&self, needed: &[u32], limit: Option<usize>) -> Result<KeptPieces, TextError> {
        if self.shares.iter().all(|share| *share == 0.0) {
            return Err(TextError::Trim { reason: "the texts have no pieces".into() });
        }
        let mut kept = self.tokenizer.needed_ids();
        kept.extend(needed);
        let limit = limit.unwrap_or(usize::MAX);
        if limit < kept.len() {
            let reason = format!(
                "{limit} pieces are fewer than the {} special tokens and fallbacks that are always kept",
                kept.len()
            );
            return Err(TextError::Trim { reason });
        }
        let is_seen = |id: &u32| self.shares.get(*id as usize).is_some_and(|share| *share > 0.0);
        let mut seen: Vec<(u32, f64)> =
            (0..).zip(self.shares.iter().copied()).filter(|(_, share)| *share > 0.0).collect();
        // A merged piece is counted together with its parts, and has a higher id than they have.
        seen.sort_by(|(a, a_share), (b, b_share)| b_share.total_cmp(a_share).then(a.cmp(b)));
        let seen: Vec<u32> = seen.into_iter().map(|(id, _)| id).collect();

        let [of_texts, others] = self.characters(&seen);
        for id in of_texts.into_iter().chain(seen.iter().copied()).chain(others) {
            if kept.len() == limit {
                break;
            }
            kept.insert(id);
        }
        Ok(KeptPieces {
            n_unseen: kept.iter().filter(|id| !is_seen(id)).count(),
            n_lost: seen.iter().filter(|id| !kept.contains(id)).count(),
            ids: kept.into_iter().collect(),
        })
    }

    /// Single-character pieces: those that occur in pieces of the texts, and all others.
    fn characters(&self, seen: &[u32]) -> [Vec<u32>; 2] {
        let model = self.tokenizer.model();
        let prefix = continuing_prefix(model).unwrap_or_default();
        let bare = |piece: &str| piece.strip_prefix(prefix).unwrap_or(piece).to_owned();
        let pieces = seen.iter().filter_map(|id| self.tokenizer.token(*id));
        let of_texts: BTreeSet<char> =
            pieces.flat_map(|piece| bare(&piece).chars().collect::<Vec<_>>()).collect();
        let mut characters = [Vec::new(), Vec::new()];
        for (piece, id) in model.get_vocab() {
            let piece = bare(&piece);
            let mut chars = piece.chars();
            if let (Some(c), None) = (chars.next(), chars.next()) {
                characters[usize::from(!of_texts.contains(&c))].push(id);
            }
        }
        characters.iter_mut().for_each(|ids| ids.sort_unstable());
        characters
    }
}

/// Adds the relative frequencies of the pieces in a corpus.
fn count(
    shares: &mut [f64],
    texts: &[TokenizerInput<'_>],
    pieces: impl Fn(&TokenizerInput<'_>) -> Result<Vec<u32>, TextError> + Sync + Send,
) -> Result<(), TextError> {
    let mut counts = vec![0u64; shares.len()];
    for texts in texts.chunks(CHUNK) {
        let ids: Vec<Vec<u32>> = texts.maybe_par_iter().map(&pieces).collect::<Result<_, _>>()?;
        for id in ids.into_iter().flatten() {
            if let Some(count) = counts.get_mut(id as usize) {
                *count += 1;
            }
        }
    }
    let total: u64 = counts.iter().sum();
    for (share, count) in shares.iter_mut().zip(counts) {
        *share += count as f64 / total.max(1) as f64;
    }
    Ok(())
}

/// Segmentation before and after vocabulary trimming: counts of changed texts, tokens and unknown
/// tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SegmentationComparison {
    /// The number of texts.
    pub n_texts: usize,
    /// The number of texts whose segmentation differs.
    pub n_changed: usize,
    /// The number of tokens, without special tokens, of the original tokenizer.
    pub n_tokens: usize,
    /// The same with the trimmed tokenizer.
    pub n_tokens_trimmed: usize,
    /// The number of unknown tokens of the original tokenizer.
    pub n_unknown: usize,
    /// The same with the trimmed tokenizer.
    pub n_unknown_trimmed: usize,
}

impl SegmentationComparison {
    /// Tokenizes texts with both tokenizers; `kept` maps each id of `trimmed` to the original id.
    ///
    /// # Errors
    /// [`TextError::Encode`] if either refuses a text.
    pub fn new(
        tokenizer: &Tokenizer,
        trimmed: &Tokenizer,
        kept: &[u32],
        texts: &[TokenizerInput<'_>],
    ) -> Result<Self, TextError> {
        let (unknown, unknown_trimmed) = (tokenizer.unknown_id(), trimmed.unknown_id());
        let n_of =
            |ids: &[u32], wanted: Option<u32>| ids.iter().filter(|id| Some(**id) == wanted).count();
        let one = |text: &TokenizerInput<'_>| {
            let before = Encoder::new(tokenizer).piece_ids(*text)?;
            let after = Encoder::new(trimmed).piece_ids(*text)?;
            let former = after.iter().map(|id| kept.get(*id as usize).copied());
            Ok(Self {
                n_texts: 1,
                n_changed: usize::from(!former.eq(before.iter().copied().map(Some))),
                n_tokens: before.len(),
                n_tokens_trimmed: after.len(),
                n_unknown: n_of(&before, unknown),
                n_unknown_trimmed: n_of(&after, unknown_trimmed),
            })
        };
        let all: Vec<Self> = texts.maybe_par_iter().map(one).collect::<Result<_, TextError>>()?;
        Ok(all.into_iter().fold(Self::default(), Self::plus))
    }

    fn plus(self, other: Self) -> Self {
        Self {
            n_texts: self.n_texts + other.n_texts,
            n_changed: self.n_changed + other.n_changed,
            n_tokens: self.n_tokens + other.n_tokens,
            n_tokens_trimmed: self.n_tokens_trimmed + other.n_tokens_trimmed,
            n_unknown: self.n_unknown + other.n_unknown,
            n_unknown_trimmed: self.n_unknown_trimmed + other.n_unknown_trimmed,
        }
    }
}

impl Tokenizer {
    /// The ids that are always kept: added and special tokens, the unknown token, byte fallbacks,
    /// and the piece of the minimum score.
    fn needed_ids(&self) -> BTreeSet<u32> {
        let added = self.inner.get_added_tokens_decoder().into_keys();
        let mut ids: BTreeSet<u32> = added.chain(self.post_processor_ids()).collect();
        let bytes = |is_on: bool| {
            let bytes = is_on.then_some(0..=u8::MAX).into_iter().flatten();
            bytes.filter_map(|byte| self.id(&format!("<0x{byte:02X}>")))
        };
        ids.extend(self.unknown_id());
        match self.model() {
            ModelWrapper::Unigram(model) => {
                ids.extend(bytes(model.byte_fallback()));
                let scores = (0..).zip(model.iter());
                let least = scores.min_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b));
                ids.extend(least.map(|(id, _)| id));
            }
            ModelWrapper::BPE(model) => ids.extend(bytes(model.byte_fallback)),
            ModelWrapper::WordPiece(_) | ModelWrapper::WordLevel(_) => {}
        }
        ids
    }

    /// The id of the unknown token.
    pub fn unknown_id(&self) -> Option<u32> {
        match self.model() {
            ModelWrapper::Unigram(_) => self.unk_id,
            ModelWrapper::BPE(model) => self.id(model.unk_token.as_deref()?),
            ModelWrapper::WordPiece(model) => self.id(&model.unk_token),
            ModelWrapper::WordLevel(model) => self.id(&model.unk_token),
        }
    }

    fn post_processor_ids(&self) -> Vec<u32> {
        let mut ids = Vec::new();
        let processor = self.post_processor.as_ref().and_then(|of| serde_json::to_value(of).ok());
        if let Some(mut processor) = processor {
            let id = |id: &serde_json::Value| u32::try_from(id.as_u64()?).ok();
            file::each_id(&mut processor, &mut |value| ids.extend(id(value)));
        }
        ids
    }
}

#[cfg(test)]
mod tests;
