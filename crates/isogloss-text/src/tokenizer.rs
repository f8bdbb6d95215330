//! Subword tokenizers, loaded from `tokenizer.json` files of Hugging Face tokenizers.

mod added_tokens;
mod check;
mod encoder;
mod files;
mod settings;
mod special_tokens;
mod trim;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::{Value, json};
use tokenizers::models::ModelWrapper;
use tokenizers::{Model as _, PostProcessorWrapper};

use crate::{Encoded, TextError, TruncationSide, subword};
use added_tokens::AddedId;
pub(crate) use encoder::Encoder;
pub use encoder::TokenizerInput;
use files::TokenizerFiles;
use settings::Settings;
pub(crate) use special_tokens::SpecialTokens;
pub use trim::{KeptPieces, PieceCounts, SegmentationComparison, trim_tokenizer};

/// Mask tokens: of RoBERTa and XLM-R, and of BERT and DistilBERT.
const MASK_TOKENS: [&str; 2] = ["<mask>", "[MASK]"];

/// Metaspace `▁`, which SentencePiece writes for a space.
const METASPACE: char = '\u{2581}';

/// Subword tokenizer (BPE, WordPiece, Unigram or WordLevel), loaded from a `tokenizer.json` file.
///
/// Lengths of truncation and padding in the file are not used, as in `transformers`: each call has a
/// maximum length, and [`TokenBatch`](crate::TokenBatch) pads. Texts are truncated on the side that
/// the files say.
/// A clone shares the vocabulary.
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
    inner: Arc<tokenizers::Tokenizer>,
    /// Separate from `inner`, because truncation is done between tokenization and the addition of
    /// special tokens.
    post_processor: Option<PostProcessorWrapper>,
    /// The id of a Unigram model's unknown piece, which `inner` has no accessor for.
    unk_id: Option<u32>,
    vocab_size: usize,
    truncation_side: TruncationSide,
    /// Whether the second text of a pair has another segment (`token_type_ids`) than the first.
    has_type_ids: bool,
    /// The mask token that the files beside `tokenizer.json` name.
    mask_token: Option<String>,
    model_max_length: Option<usize>,
}

impl Tokenizer {
    /// Parses the content of a `tokenizer.json` file; `name` names it in error messages.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`] if it is not a tokenizer, or if an id of it does not fit in an
    /// `i32`.
    pub fn from_bytes(bytes: &[u8], name: &Path) -> Result<Self, TextError> {
        Self::from_files(TokenizerFiles::alone(bytes, name)?, name)
    }

    /// Loads a tokenizer from a `tokenizer.json` file, with the settings of the files beside it as
    /// `transformers` applies them: `tokenizer_config.json`, `special_tokens_map.json`,
    /// `added_tokens.json`, and the model type of `config.json`.
    ///
    /// # Errors
    /// As [`Tokenizer::from_bytes`], and [`TextError::Io`] if a file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        Self::from_files(TokenizerFiles::read(path)?, path)
    }

    /// As [`Tokenizer::from_file`], where there are no files: `read` gives the content of those
    /// beside `tokenizer.json` by name, if there are such.
    ///
    /// # Errors
    /// As [`Tokenizer::from_bytes`].
    pub fn from_folder_bytes(
        bytes: &[u8],
        read: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, TextError> {
        let name = Path::new("tokenizer.json");
        Self::from_files(TokenizerFiles::parse(bytes, name, |beside| Ok(read(beside)))?, name)
    }

    /// As [`Tokenizer::from_file`], with the content of a `tokenizer.json` that has the settings of
    /// the files beside it.
    ///
    /// # Errors
    /// As [`Tokenizer::from_file`].
    pub fn with_resolved_file(path: &Path) -> Result<(Self, Vec<u8>), TextError> {
        let mut files = TokenizerFiles::read(path)?;
        let this = Self::from_files(files.clone(), path)?;
        settings::apply(&mut files);
        let mut file = files.tokenizer;
        for token in
            file.get_mut("added_tokens").and_then(Value::as_array_mut).into_iter().flatten()
        {
            token["id"] = json!(token["content"].as_str().and_then(|content| this.id(content)));
        }
        let bytes = serde_json::to_vec(&file).map_err(|error| TextError::Tokenizer {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Ok((this, bytes))
    }

    /// Parses `tokenizer.json` after the settings of the other files are applied to it.
    fn from_files(mut files: TokenizerFiles, name: &Path) -> Result<Self, TextError> {
        let fault = |reason: String| TextError::Tokenizer { path: name.to_owned(), reason };
        let settings = settings::apply(&mut files);
        let mut file = files.tokenizer;
        if let Some(parts) = file.as_object_mut() {
            for unused in ["truncation", "padding", "decoder"] {
                parts.remove(unused);
            }
        }
        file.get("normalizer").map_or(Ok(()), check::check_normalizer).map_err(fault)?;
        let mut inner =
            tokenizers::Tokenizer::deserialize(&file).map_err(|error| fault(error.to_string()))?;
        for AddedId { token, id, file } in &settings.added {
            let found = inner.token_to_id(token);
            if found.map(u64::from) != Some(*id) {
                let found = found.map_or("none".to_owned(), |found| found.to_string());
                let reason =
                    format!("added token {token:?} has the id {id}, here it would be {found}");
                return Err(TextError::Tokenizer { path: name.with_file_name(file), reason });
            }
        }
        inner.set_encode_special_tokens(settings.splits_special_tokens);
        let post_processor = inner.get_post_processor().cloned();
        inner.with_post_processor(None::<PostProcessorWrapper>);

        // Pieces may have the same text, which the vocabulary then lists once; ids may have gaps.
        let highest = inner.get_vocab(true).into_values().max();
        let highest = highest
            .map_or(Ok(0), i32::try_from)
            .map_err(|_| fault("a token id exceeds 2147483647".into()))?;
        let n_ids = usize::try_from(highest).map_or(0, |highest| highest + 1);
        let vocab_size = n_ids.max(inner.get_model().get_vocab_size());
        let unk_id = file.pointer("/model/unk_id").and_then(|id| u32::try_from(id.as_u64()?).ok());
        let mut processors = post_processor.iter();
        processors
            .try_for_each(|processor| check::check_post_processor(processor, vocab_size))
            .map_err(fault)?;
        let Settings { truncation_side, has_type_ids, mask_token, model_max_length, .. } = settings;
        Ok(Self {
            inner: Arc::new(inner),
            post_processor,
            unk_id,
            vocab_size,
            truncation_side,
            has_type_ids,
            mask_token,
            model_max_length,
        })
    }

    /// Maximum sequence length that the folder states (`model_max_length`), in tokens with special
    /// ones: the limit where no other is given.
    pub fn model_max_length(&self) -> Option<usize> {
        self.model_max_length
    }

    /// The side of a text from which truncation removes tokens.
    pub fn truncation_side(&self) -> TruncationSide {
        self.truncation_side
    }

    /// Vocabulary size: one more than the highest id, added tokens included; the minimum number of
    /// rows of an embedding matrix.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The kind of subword model, as `tokenizer.json` names it.
    pub fn kind(&self) -> &'static str {
        subword::kind(self.inner.get_model())
    }

    /// The token of an id (`id_to_token`).
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a token (`token_to_id`).
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The id of the mask token: the `mask_token` of the files beside `tokenizer.json` if the
    /// vocabulary has it, else `<mask>` or `[MASK]`.
    ///
    /// # Errors
    /// [`TextError::NoMaskToken`] if there is none.
    pub fn mask_id(&self) -> Result<u32, TextError> {
        let mut names = self.mask_token.as_deref().into_iter().chain(MASK_TOKENS);
        names.find_map(|name| self.id(name)).ok_or_else(|| TextError::NoMaskToken {
            special: self.special_tokens().into_values().collect(),
        })
    }

    /// Trimmed offsets: the character span of each token of `text`, without whitespace at either
    /// end.
    ///
    /// Special tokens and tokens of a space alone have zero width.
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

    /// The subword model.
    pub(crate) fn model(&self) -> &ModelWrapper {
        self.inner.get_model()
    }

    /// All token ids, in no order; pieces with the same text have one id.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.inner.get_vocab(true).into_values()
    }

    /// Special tokens: the added tokens that the file marks as special, by id.
    pub(crate) fn special_tokens(&self) -> BTreeMap<u32, String> {
        let added = self.inner.get_added_tokens_decoder().into_iter();
        added.filter(|(_, token)| token.special).map(|(id, token)| (id, token.content)).collect()
    }

    /// The id of a Unigram model's unknown piece.
    pub(crate) fn unk_id(&self) -> Option<u32> {
        self.unk_id
    }
}

#[cfg(test)]
pub(crate) mod tests;
