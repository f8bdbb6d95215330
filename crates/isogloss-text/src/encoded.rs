//! A text as token ids, and where in the text each token stands.

/// A tokenized text or pair, with its special tokens, not padded.
///
/// The lists have one entry for each token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The id of each token.
    pub ids: Vec<u32>,
    /// The segment of each token, as BERT tells the texts of a pair apart; all 0 for XLM-R.
    pub type_ids: Vec<u32>,
    /// The characters of each token, `start..end` in its own text or word; `(0, 0)` for special tokens.
    ///
    /// They are the tokenizer's own: a SentencePiece token may include the space before it, see [`Tokenizer::spans`](crate::Tokenizer::spans).
    pub offsets: Vec<(usize, usize)>,
    /// The word of each token, counted from 0; `None` for special tokens.
    pub word_ids: Vec<Option<u32>>,
    /// Whether a token was added by the tokenizer and stands for no text.
    pub special: Vec<bool>,
    /// The number of tokens that were cut off to keep the greatest length.
    pub n_truncated: usize,
}

impl Encoded {
    /// The number of tokens, special ones included.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The place of the first token of each of `n_words` words; `None` for a word that gave no token or was cut off.
    pub fn first_subwords(&self, n_words: usize) -> Vec<Option<usize>> {
        let mut first = vec![None; n_words];
        for (idx, word) in self.word_ids.iter().enumerate() {
            let word = word.and_then(|word| usize::try_from(word).ok());
            if let Some(first) = word.and_then(|word| first.get_mut(word)) {
                first.get_or_insert(idx);
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::Encoded;

    #[test]
    fn words_without_a_token_have_no_first_subword() {
        let word_ids = vec![None, Some(0), Some(0), Some(2), Some(7), None];
        let encoded = Encoded { word_ids, ..Encoded::default() };
        assert_eq!(encoded.first_subwords(4), [Some(1), None, Some(3), None]);
    }
}
