//! Tokenizer encoding: converts text to token ids, with the tokenizer's own or a custom
//! segmentation of words.

use std::borrow::Cow;
use std::ops::Range;

use tokenizers::parallelism::MaybeParallelRefIterator as _;
use tokenizers::utils::truncation::{TruncationDirection, TruncationParams, truncate_encodings};
use tokenizers::{
    Encoding, InputSequence, Model as _, OffsetType, PostProcessor as _, PreTokenizer as _, Token,
};

use super::METASPACE;
use crate::{Encoded, TextError, Tokenizer, TruncationSide};

/// The number of characters of a text that an error shows.
const N_SHOWN: usize = 40;

/// Custom segmentation of a normalized and pre-tokenized word into tokens with byte offsets; `None`
/// for the tokenizer's own.
type Resegment<'a> = dyn Fn(&str) -> Option<Vec<Token>> + 'a;

/// Tokenizer input: running text or pre-tokenized words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerInput<'a> {
    /// Running text.
    Text(&'a str),
    /// A pre-tokenized sentence: its words.
    Words(&'a [String]),
}

impl Tokenizer {
    /// Tokenizes a text, or a pair of texts, to at most `max_length` tokens, special tokens
    /// included.
    ///
    /// Truncation removes tokens at the end, or at the start where the tokenizer's
    /// [`truncation_side`](Tokenizer::truncation_side) is left; of a pair, from the longer text
    /// first (`longest_first`).
    ///
    /// # Errors
    /// [`TextError::MaxLength`] if the special tokens leave no room for text, [`TextError::Encode`]
    /// if the tokenizer refuses the text.
    pub fn encode(
        &self,
        text: &str,
        pair: Option<&str>,
        max_length: usize,
    ) -> Result<Encoded, TextError> {
        Encoder::new(self).encode(text, pair, max_length).map(|(encoded, _)| encoded)
    }

    /// Tokenizes a pre-tokenized sentence (`is_split_into_words`) to at most `max_length` tokens,
    /// special tokens included.
    ///
    /// `word_ids` are indices of these words, and `offsets` are relative to each word.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_words(&self, words: &[String], max_length: usize) -> Result<Encoded, TextError> {
        Encoder::new(self).encode_words(words, max_length)
    }

    /// Tokenizes many texts or pairs in parallel, each as [`Tokenizer::encode`] does.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], for one of the texts that are refused.
    pub fn encode_batch(
        &self,
        texts: &[(&str, Option<&str>)],
        max_length: usize,
    ) -> Result<Vec<Encoded>, TextError> {
        texts.maybe_par_iter().map(|&(text, pair)| self.encode(text, pair, max_length)).collect()
    }

    /// Tokenizes many sentences in parallel, each as [`Tokenizer::encode_words`] does.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_words`], for one of the sentences that are refused.
    pub fn encode_words_batch<W>(
        &self,
        sentences: &[W],
        max_length: usize,
    ) -> Result<Vec<Encoded>, TextError>
    where
        W: AsRef<[String]> + Sync,
    {
        sentences
            .maybe_par_iter()
            .map(|words| self.encode_words(words.as_ref(), max_length))
            .collect()
    }
}

/// Tokenizer encoder: a tokenizer with an optional custom segmentation of words.
#[derive(Clone, Copy)]
pub(crate) struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    resegment: Option<&'a Resegment<'a>>,
}

impl<'a> Encoder<'a> {
    /// Creates an encoder with the tokenizer's own segmentation.
    pub(crate) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, resegment: None }
    }

    /// Creates an encoder with a custom segmentation of words; all other steps are the tokenizer's.
    pub(crate) fn resegmented(tokenizer: &'a Tokenizer, resegment: &'a Resegment<'a>) -> Self {
        Self { tokenizer, resegment: Some(resegment) }
    }

    /// The tokenizer.
    pub(crate) fn tokenizer(&self) -> &'a Tokenizer {
        self.tokenizer
    }

    /// As [`Tokenizer::encode`], with the range of the tokens of the first text.
    pub(crate) fn encode(
        &self,
        text: &str,
        pair: Option<&str>,
        max_length: usize,
    ) -> Result<(Encoded, Range<usize>), TextError> {
        let raw = |text| self.tokens(InputSequence::Raw(Cow::Borrowed(text)), text);
        let (first, second) = (raw(text)?, pair.map(raw).transpose()?);
        // A tokenizer of bytes has tokens for white space.
        let is_blank = |text: &str| text.trim().is_empty();
        let lacks_tokens = is_blank(text) || pair.is_some_and(is_blank);
        let (mut encoded, range) = self.finish(first, second, max_length, text)?;
        encoded.lacks_tokens |= lacks_tokens;
        Ok((encoded, range))
    }

    /// Tokenizes a text to token ids, without truncation and special tokens.
    pub(crate) fn token_ids(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let tokens = self.tokens(InputSequence::Raw(Cow::Borrowed(text)), text)?;
        Ok(tokens.get_ids().to_vec())
    }

    /// As [`Encoder::token_ids`], for either kind of input.
    pub(crate) fn piece_ids(&self, text: TokenizerInput<'_>) -> Result<Vec<u32>, TextError> {
        match text {
            TokenizerInput::Text(text) => self.token_ids(text),
            TokenizerInput::Words(words) => Ok(self.tokens_of_words(words)?.0.get_ids().to_vec()),
        }
    }

    /// As [`Tokenizer::encode_words`].
    pub(crate) fn encode_words(
        &self,
        words: &[String],
        max_length: usize,
    ) -> Result<Encoded, TextError> {
        let (tokens, text) = self.tokens_of_words(words)?;
        self.finish(tokens, None, max_length, text).map(|(encoded, _)| encoded)
    }

    fn tokens_of_words<'t>(&self, words: &'t [String]) -> Result<(Encoding, &'t str), TextError> {
        let text = words.first().map_or("", String::as_str);
        let input = InputSequence::PreTokenizedOwned(Cow::Borrowed(words));
        Ok((self.tokens(input, text)?, text))
    }

    fn tokens(&self, input: InputSequence<'_>, text: &str) -> Result<Encoding, TextError> {
        let tokens = match (self.resegment, input) {
            (None, input) => self.tokenizer.inner.encode_char_offsets(input, false),
            (Some(resegment), InputSequence::PreTokenizedOwned(words)) => {
                let words = (0..).zip(words.iter());
                words
                    .map(|(idx, word)| self.resegmented_tokens(word, Some(idx), resegment))
                    .collect()
            }
            (Some(resegment), _) => self.resegmented_tokens(text, None, resegment),
        };
        tokens.map_err(|error| refusal(text, &*error))
    }

    /// Normalizes and pre-tokenizes a text, and segments it by `resegment`; `word_idx` is the word
    /// to which all tokens belong.
    fn resegmented_tokens(
        &self,
        text: &str,
        word_idx: Option<u32>,
        resegment: &Resegment<'_>,
    ) -> tokenizers::Result<Encoding> {
        let inner = &self.tokenizer.inner;
        let normalizer = inner.get_normalizer();
        let mut words = inner.get_added_vocabulary().extract_and_normalize(normalizer, text);
        if let Some(pre_tokenizer) = inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut words)?;
        }
        words.tokenize(|word| {
            let word = word.get();
            resegment(word).map_or_else(|| inner.get_model().tokenize(word), Ok)
        })?;
        words.into_encoding(word_idx, 0, OffsetType::Char)
    }

    fn finish(
        &self,
        mut first: Encoding,
        mut second: Option<Encoding>,
        max_length: usize,
        text: &str,
    ) -> Result<(Encoded, Range<usize>), TextError> {
        let post_processor = self.tokenizer.post_processor.as_ref();
        let n_special =
            post_processor.map_or(0, |processor| processor.added_tokens(second.is_some()));
        if max_length <= n_special {
            return Err(TextError::MaxLength { max_length, n_special });
        }
        let n_tokens = |first: &Encoding, second: &Option<Encoding>| {
            first.len() + second.as_ref().map_or(0, Encoding::len)
        };
        let n_before = n_tokens(&first, &second);
        let lacks_tokens = is_blank(&first) || second.as_ref().is_some_and(is_blank);
        let side = self.tokenizer.truncation_side;
        let direction = match side {
            TruncationSide::Left => TruncationDirection::Left,
            TruncationSide::Right => TruncationDirection::Right,
        };
        let max_length = max_length - n_special;
        let params = TruncationParams { max_length, direction, ..TruncationParams::default() };
        (first, second) =
            truncate_encodings(first, second, &params).map_err(|error| refusal(text, &*error))?;
        let n_truncated = n_before - n_tokens(&first, &second);
        // The post-processor would otherwise join the overflowing parts in every combination.
        first.take_overflowing();
        second.as_mut().map(Encoding::take_overflowing);
        first.set_sequence_id(0);

        let encoding = match (post_processor, second) {
            (Some(processor), second) => {
                processor.process(first, second, true).map_err(|error| refusal(text, &*error))?
            }
            (None, Some(mut second)) => {
                second.set_type_ids(vec![1; second.len()]);
                second.set_sequence_id(1);
                Encoding::merge([first, second], false)
            }
            (None, None) => first,
        };
        let tokens = encoded(&encoding, n_truncated);
        let mut encoded = Encoded { truncation_side: side, lacks_tokens, ..tokens };
        if !self.tokenizer.has_type_ids {
            encoded.type_ids.fill(0);
        }
        Ok((encoded, first_text(&encoding)))
    }
}

/// Whether there is no token without special ones, or lone metaspaces alone.
fn is_blank(tokens: &Encoding) -> bool {
    tokens.get_tokens().iter().all(|token| token.chars().all(|c| c == METASPACE))
}

/// The range of the tokens of the first text.
fn first_text(encoding: &Encoding) -> Range<usize> {
    let texts = encoding.get_sequence_ids();
    let is_first = |text: &Option<usize>| *text == Some(0);
    let start = texts.iter().position(is_first).unwrap_or(0);
    start..texts.iter().rposition(is_first).map_or(start, |last| last + 1)
}

fn encoded(encoding: &Encoding, n_truncated: usize) -> Encoded {
    let special: Vec<bool> =
        encoding.get_special_tokens_mask().iter().map(|&mask| mask != 0).collect();
    let offsets = encoding.get_offsets().iter().zip(&special);
    Encoded {
        ids: encoding.get_ids().to_vec(),
        type_ids: encoding.get_type_ids().to_vec(),
        offsets: offsets
            .map(|(&offsets, &special)| if special { (0, 0) } else { offsets })
            .collect(),
        word_ids: encoding.get_word_ids().to_vec(),
        special,
        n_truncated,
        truncation_side: TruncationSide::default(),
        lacks_tokens: false,
    }
}

fn refusal(text: &str, error: &(dyn std::error::Error + Send + Sync)) -> TextError {
    TextError::Encode { text: text.chars().take(N_SHOWN).collect(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Encoder;
    use crate::tokenizer::tests::{WORD_PIECE, read, unigram};

    #[test]
    fn the_tokens_of_the_first_text_are_told_from_those_of_the_second() {
        let tokenizer = unigram();
        // <s> ▁Licht ▁aus </s> ▁W ohn </s>
        let (encoded, first) =
            Encoder::new(&tokenizer).encode("Licht aus", Some("Wohn"), 16).unwrap();
        assert_eq!((encoded.len(), first), (7, 1..3));
        let (_, first) = Encoder::new(&tokenizer).encode("", Some("Wohn"), 16).unwrap();
        assert!(first.is_empty());
    }

    #[test]
    fn a_text_without_a_token_of_its_characters_is_told() {
        let unigram = unigram();
        let wordpiece = read(WORD_PIECE);
        let lacks = |text, pair| unigram.encode(text, pair, 16).unwrap().lacks_tokens;
        assert!(lacks("", None) && lacks(" \u{3000}", None));
        assert!(lacks("Licht", Some("")) && lacks("", Some("aus")));
        // An unknown token is a token.
        assert!(!lacks("Licht", None) && !lacks("🎵", None) && !lacks("Licht", Some("aus")));
        // BERT's normalizer removes control characters.
        let lacks = |text| wordpiece.encode(text, None, 16).unwrap().lacks_tokens;
        assert!(lacks("\u{200b}") && lacks("\u{200b} \u{feff}") && !lacks("\u{200b}licht"));
        let of_words = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            wordpiece.encode_words(&words, 16).unwrap().lacks_tokens
        };
        assert!(of_words(&[]) && of_words(&["\u{200b}"]) && !of_words(&["\u{200b}", "licht"]));
    }

    proptest! {
        #[test]
        fn a_resegmenter_that_leaves_all_words_changes_nothing(text in "\\PC{0,16}|[Lichtauseo🎵\u{301}打开灯 <s>]{0,24}") {
            let tokenizer = unigram();
            let (own, other) = (Encoder::new(&tokenizer), Encoder::resegmented(&tokenizer, &|_| None));
            prop_assert_eq!(own.encode(&text, Some("aus"), 12).unwrap(), other.encode(&text, Some("aus"), 12).unwrap());
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            prop_assert_eq!(own.encode_words(&words, 12).unwrap(), other.encode_words(&words, 12).unwrap());
        }
    }
}
