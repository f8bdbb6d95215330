//! Tokenizers as `tokenizer.json` files describe them.

mod check;

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::parallelism::MaybeParallelRefIterator as _;
use tokenizers::utils::truncation::{TruncationParams, truncate_encodings};
use tokenizers::{Encoding, InputSequence, Model as _, PostProcessor, PostProcessorWrapper};

use crate::reader::read_bytes;
use crate::{Encoded, TextError};

/// The mark that SentencePiece puts in place of a space.
const METASPACE: char = '\u{2581}';

/// The number of characters of a text that an error shows.
const N_SHOWN: usize = 40;

/// A subword tokenizer, read from a `tokenizer.json` file.
///
/// Truncation and padding that the file asks for are switched off: each call names its greatest length, and batches pad.
///
/// ```
/// use isogloss_text::Tokenizer;
///
/// let json = r#"{
///     "version": "1.0",
///     "added_tokens": [],
///     "pre_tokenizer": {"type": "Whitespace"},
///     "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "Licht": 1, "an": 2}, "unk_token": "[UNK]"}
/// }"#;
/// let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
/// let encoded = tokenizer.encode("Licht aus", None, 16)?;
/// assert_eq!(encoded.ids, [1, 0]);
/// assert_eq!(encoded.offsets, [(0, 5), (6, 9)]);
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Kept apart from `inner`, because texts are cut between tokenization and the adding of special tokens.
    post_processor: Option<PostProcessorWrapper>,
    vocab_size: usize,
}

impl Tokenizer {
    /// Reads the content of a `tokenizer.json` file; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`] if it is not a tokenizer, or if an id of it does not fit in an `i32`.
    pub fn from_bytes(bytes: &[u8], name: &Path) -> Result<Self, TextError> {
        let fault = |reason: String| TextError::Tokenizer { path: name.to_owned(), reason };
        let mut file: Value =
            serde_json::from_slice(bytes).map_err(|error| fault(error.to_string()))?;
        if let Some(parts) = file.as_object_mut() {
            for unused in ["truncation", "padding", "decoder"] {
                parts.remove(unused);
            }
        }
        file.get("normalizer").map_or(Ok(()), check::check_normalizer).map_err(fault)?;
        let mut inner =
            tokenizers::Tokenizer::deserialize(&file).map_err(|error| fault(error.to_string()))?;
        let post_processor = inner.get_post_processor().cloned();
        inner.with_post_processor(None::<PostProcessorWrapper>);

        // Pieces may share a name, which the vocabulary then lists once; ids may leave gaps.
        let highest = inner.get_vocab(true).into_values().max();
        let highest = highest
            .map_or(Ok(0), i32::try_from)
            .map_err(|_| fault("a token id exceeds 2147483647".into()))?;
        let n_ids = usize::try_from(highest).map_or(0, |highest| highest + 1);
        let vocab_size = n_ids.max(inner.get_model().get_vocab_size());
        let mut processors = post_processor.iter();
        processors
            .try_for_each(|processor| check::check_post_processor(processor, vocab_size))
            .map_err(fault)?;
        Ok(Self { inner, post_processor, vocab_size })
    }

    /// Reads a `tokenizer.json` file.
    ///
    /// # Errors
    /// As [`Tokenizer::from_bytes`], and [`TextError::Io`] if the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        Self::from_bytes(&read_bytes(path)?, path)
    }

    /// One more than the highest id, added tokens included: the least number of rows of an embedding table.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The kind of subword model, as `tokenizer.json` names it.
    pub fn kind(&self) -> &'static str {
        match self.inner.get_model() {
            ModelWrapper::BPE(_) => "BPE",
            ModelWrapper::WordPiece(_) => "WordPiece",
            ModelWrapper::WordLevel(_) => "WordLevel",
            ModelWrapper::Unigram(_) => "Unigram",
        }
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Tokenizes a text, or a pair of texts, to at most `max_length` tokens, special tokens included.
    ///
    /// Tokens are cut at the end; of a pair, the longer text is cut first.
    ///
    /// # Errors
    /// [`TextError::MaxLength`] if the special tokens leave no room for text, [`TextError::Encode`] if the tokenizer refuses the text.
    pub fn encode(
        &self,
        text: &str,
        pair: Option<&str>,
        max_length: usize,
    ) -> Result<Encoded, TextError> {
        let first = self.tokens(InputSequence::Raw(Cow::Borrowed(text)), text)?;
        let second = pair
            .map(|pair| self.tokens(InputSequence::Raw(Cow::Borrowed(pair)), pair))
            .transpose()?;
        self.finish(first, second, max_length, text)
    }

    /// Tokenizes a sentence that is split into words, to at most `max_length` tokens, special tokens included.
    ///
    /// `word_ids` count these words, and `offsets` are relative to each word.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_words(&self, words: &[String], max_length: usize) -> Result<Encoded, TextError> {
        let text = words.first().map_or("", String::as_str);
        let tokens = self.tokens(InputSequence::PreTokenizedOwned(Cow::Borrowed(words)), text)?;
        self.finish(tokens, None, max_length, text)
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

    /// The visible characters of each token of `text`: its offsets without whitespace at either end.
    ///
    /// Special tokens and tokens that stand for a space alone have no width.
    pub fn spans(&self, encoded: &Encoded, text: &str) -> Vec<(usize, usize)> {
        let is_space: Vec<bool> =
            text.chars().map(|c| c.is_whitespace() || c == METASPACE).collect();
        let tokens = encoded.ids.iter().zip(&encoded.offsets).zip(&encoded.special);
        tokens
            .map(|((&id, &(start, end)), &special)| {
                let metaspace_alone =
                    || self.token(id).is_some_and(|token| token.chars().all(|c| c == METASPACE));
                if special || metaspace_alone() {
                    return (start, start);
                }
                let spaces = is_space.get(start..end).unwrap_or_default();
                let n_before = spaces.iter().take_while(|&&space| space).count();
                let n_after =
                    spaces.iter().skip(n_before).rev().take_while(|&&space| space).count();
                (start + n_before, end - n_after)
            })
            .collect()
    }

    fn tokens(&self, input: InputSequence<'_>, text: &str) -> Result<Encoding, TextError> {
        self.inner.encode_char_offsets(input, false).map_err(|error| refusal(text, &*error))
    }

    fn finish(
        &self,
        mut first: Encoding,
        mut second: Option<Encoding>,
        max_length: usize,
        text: &str,
    ) -> Result<Encoded, TextError> {
        let n_special = self
            .post_processor
            .as_ref()
            .map_or(0, |processor| processor.added_tokens(second.is_some()));
        if max_length <= n_special {
            return Err(TextError::MaxLength { max_length, n_special });
        }
        let n_tokens = |first: &Encoding, second: &Option<Encoding>| {
            first.len() + second.as_ref().map_or(0, Encoding::len)
        };
        let n_before = n_tokens(&first, &second);
        let params =
            TruncationParams { max_length: max_length - n_special, ..TruncationParams::default() };
        (first, second) =
            truncate_encodings(first, second, &params).map_err(|error| refusal(text, &*error))?;
        let n_truncated = n_before - n_tokens(&first, &second);
        // The parts cut off would be joined in every combination.
        first.take_overflowing();
        second.as_mut().map(Encoding::take_overflowing);

        let encoding = match (&self.post_processor, second) {
            (Some(processor), second) => {
                processor.process(first, second, true).map_err(|error| refusal(text, &*error))?
            }
            (None, Some(mut second)) => {
                second.set_type_ids(vec![1; second.len()]);
                Encoding::merge([first, second], false)
            }
            (None, None) => first,
        };
        Ok(encoded(&encoding, n_truncated))
    }
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
    }
}

fn refusal(text: &str, error: &(dyn std::error::Error + Send + Sync)) -> TextError {
    TextError::Encode { text: text.chars().take(N_SHOWN).collect(), reason: error.to_string() }
}

#[cfg(test)]
pub(crate) mod tests;
