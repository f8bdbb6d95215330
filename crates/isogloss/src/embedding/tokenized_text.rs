//! Tokenized text: the tokens of a text by its words.

use isogloss_text::{Encoded, whitespace_words};

/// Tokenized text, with the tokens of each word.
#[derive(Clone, Debug)]
pub struct TokenizedText {
    encoded: Encoded,
    words: Vec<Vec<usize>>,
}

impl TokenizedText {
    /// Assigns the tokens of an encoded text to its words; `spans` are the character offsets of the
    /// tokens.
    pub(super) fn new(text: &str, encoded: Encoded, spans: &[(usize, usize)]) -> Self {
        Self { words: tokens_of_words(text, spans), encoded }
    }

    /// The number of words, which are separated by whitespace.
    pub fn n_words(&self) -> usize {
        self.words.len()
    }

    /// The indices of the tokens of a word; empty for a word that was truncated.
    ///
    /// Punctuation attached to a word, as in `(house),`, does not belong to it where it is a token
    /// of its own.
    pub fn tokens(&self, word: usize) -> &[usize] {
        self.words.get(word).map_or(&[], Vec::as_slice)
    }

    /// Whether the text was truncated.
    pub fn is_truncated(&self) -> bool {
        self.encoded.n_truncated > 0
    }

    /// The tokens.
    pub fn encoded(&self) -> &Encoded {
        &self.encoded
    }
}

/// Alignment of tokens to words: the indices of the tokens that begin inside each word of a text.
/// Empty tokens belong to no word, and tokens without letters and digits only to words without any.
///
/// `spans` are the character offsets of the tokens, in text order.
fn tokens_of_words(text: &str, spans: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let words = whitespace_words(text);
    let is_spoken: Vec<bool> = text.chars().map(char::is_alphanumeric).collect();
    let speaks = |&(start, end): &(usize, usize)| {
        is_spoken.get(start..end).is_some_and(|chars| chars.contains(&true))
    };
    let mut of_words = vec![Vec::new(); words.len()];
    for (index, span) in spans.iter().enumerate() {
        let word = words.partition_point(|(_, end)| *end <= span.0);
        let is_inside = words.get(word).is_some_and(|(start, _)| *start <= span.0);
        if span.0 < span.1 && is_inside && (speaks(span) || !speaks(&words[word])) {
            of_words[word].push(index);
        }
    }
    of_words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_belong_to_the_word_that_they_begin_in() {
        // "ab  c d" as ⟨s⟩ ▁a b ▁ c ⟨/s⟩ with "d" cut off.
        let spans = [(0, 0), (0, 1), (1, 2), (4, 4), (4, 5), (0, 0)];
        let expected: [&[usize]; 3] = [&[1, 2], &[4], &[]];
        assert_eq!(tokens_of_words("ab  c d", &spans), expected);
    }

    #[test]
    fn punctuation_belongs_to_a_word_only_if_there_is_nothing_else() {
        // "(a), – 3." as ▁( a ), ▁– ▁3.
        let spans = [(0, 1), (1, 2), (2, 4), (5, 6), (7, 9)];
        let expected: [&[usize]; 3] = [&[1], &[3], &[4]];
        assert_eq!(tokens_of_words("(a), – 3.", &spans), expected);
    }
}
