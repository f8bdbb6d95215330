//! Tokenizer output (encoding): token ids with character offsets and word ids.

use std::ops::Range;

/// Side of a text from which truncation removes tokens (`truncation_side`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TruncationSide {
    /// The beginning of the text is removed.
    Left,
    /// The end of the text is removed.
    #[default]
    Right,
}

/// Encoding of a text or text pair: token ids with offsets, word ids and token type ids, with
/// special tokens, without padding.
///
/// The lists have one entry for each token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Token type (segment) ids, by which BERT distinguishes the texts of a pair; all 0 for XLM-R.
    pub type_ids: Vec<u32>,
    /// Character offsets of each token, `start..end` in its own text or word; `(0, 0)` for special
    /// tokens.
    ///
    /// These are the tokenizer's offsets: a SentencePiece token may include the space before it,
    /// see [`Tokenizer::spans`](crate::Tokenizer::spans).
    pub offsets: Vec<(usize, usize)>,
    /// Index of the word of each token, from 0; `None` for special tokens.
    pub word_ids: Vec<Option<u32>>,
    /// Special tokens mask: whether a token is a special token that the tokenizer added.
    pub special: Vec<bool>,
    /// The number of tokens removed by truncation.
    pub n_truncated: usize,
    /// The side from which truncation removes tokens.
    pub truncation_side: TruncationSide,
    /// Whether the text, or one of a pair, has no token that stands for more than white space, such
    /// as a text of zero-width spaces alone; the model then reads special tokens only.
    pub lacks_tokens: bool,
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

    /// First subword of each of `n_words` words, as a token index; `None` for a word without a
    /// token or truncated.
    pub fn first_subwords(&self, n_words: usize) -> Vec<Option<usize>> {
        let subwords = self.subwords(n_words).into_iter();
        subwords.map(|tokens| tokens.map(|tokens| tokens.start)).collect()
    }

    /// Subwords of each of `n_words` words, as a token range; `None` for a word without a token or
    /// truncated. Truncation may have cut the outermost word apart.
    pub fn subwords(&self, n_words: usize) -> Vec<Option<Range<usize>>> {
        let mut subwords: Vec<Option<Range<usize>>> = vec![None; n_words];
        for (idx, word) in self.word_ids.iter().enumerate() {
            let word = word.and_then(|word| usize::try_from(word).ok());
            if let Some(tokens) = word.and_then(|word| subwords.get_mut(word)) {
                tokens.get_or_insert(idx..idx).end = idx + 1;
            }
        }
        subwords
    }

    /// Counts the words without a token, and how many of them were truncated; `first_subwords` as
    /// [`first_subwords`](Self::first_subwords) gives them.
    pub fn count_lost(&self, first_subwords: &[Option<usize>]) -> [usize; 2] {
        let n_lost = first_subwords.iter().filter(|first| first.is_none()).count();
        [n_lost, self.cut_words(first_subwords).len()]
    }

    /// The range of the truncated words, which are at the end or at the start.
    pub(crate) fn cut_words(&self, first_subwords: &[Option<usize>]) -> Range<usize> {
        let n_words = first_subwords.len();
        match self.truncation_side {
            _ if self.n_truncated == 0 => n_words..n_words,
            TruncationSide::Left => {
                0..first_subwords.iter().position(Option::is_some).unwrap_or(n_words)
            }
            TruncationSide::Right => {
                first_subwords.iter().rposition(Option::is_some).map_or(0, |last| last + 1)..n_words
            }
        }
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
        assert_eq!(encoded.subwords(4), [Some(1..3), None, Some(3..4), None]);
    }
}
