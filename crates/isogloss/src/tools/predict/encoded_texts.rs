//! Tokenized batch of texts to predict (encoding).

use isogloss_text::Encoded;

/// A tokenized batch, which [`Predictor::decode`](super::Predictor::decode) needs beside the outputs
/// of the model.
#[derive(Debug)]
pub struct EncodedTexts<'a> {
    pub(super) texts: &'a [(&'a str, Option<&'a str>)],
    pub(super) encoded: Vec<Encoded>,
    pub(super) seq_len: usize,
}

impl EncodedTexts<'_> {
    /// Whether the text at an index of the batch was truncated.
    pub fn is_truncated(&self, index: usize) -> bool {
        self.encoded[index].n_truncated > 0
    }

    /// Whether the text at an index of the batch has no token of its characters.
    pub fn lacks_tokens(&self, index: usize) -> bool {
        self.encoded[index].lacks_tokens
    }
}
