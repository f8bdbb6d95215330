//! Rewritten examples after code-switching or translation, with the new spans of the original
//! words.

use std::borrow::Cow;

use crate::{Content, Example, whitespace_words};

/// Rewritten example after code-switching or translation, with the new spans of the original words.
pub(crate) struct RewrittenExample<'a> {
    pub(crate) example: Cow<'a, Example>,
    /// The character span in the new text of each word of the original text, `None` for a word
    /// without a counterpart; of a translation, the spans of its own words. Empty for examples of
    /// pre-tokenized words.
    pub(crate) word_spans: Vec<Option<(usize, usize)>>,
}

impl<'a> RewrittenExample<'a> {
    /// The unchanged example.
    pub(crate) fn unchanged(example: &'a Example) -> Self {
        Self::with_own_words(Cow::Borrowed(example))
    }

    /// An example whose words are those of its own text.
    pub(crate) fn with_own_words(example: Cow<'a, Example>) -> Self {
        let word_spans = match &example.content {
            Content::Text { text, .. } => whitespace_words(text).into_iter().map(Some).collect(),
            Content::Words { .. } | Content::Tree(_) => Vec::new(),
        };
        Self { example, word_spans }
    }
}
