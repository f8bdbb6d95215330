//! Rewritten examples: in other words or another language, with the spans of the original words.

use std::borrow::Cow;

use crate::{Content, Example, whitespace_words};

/// An example in other words, with the spans of the original words.
pub(crate) struct RewrittenExample<'a> {
    pub(crate) example: Cow<'a, Example>,
    /// The span of each word of the original text in the new one, in characters, `None` for a word that is gone; empty for examples that are given as words.
    pub(crate) word_spans: Vec<Option<(usize, usize)>>,
}

impl<'a> RewrittenExample<'a> {
    /// The example as it is.
    pub(crate) fn unchanged(example: &'a Example) -> Self {
        let word_spans = match &example.content {
            Content::Text { text, .. } => whitespace_words(text).into_iter().map(Some).collect(),
            Content::Words { .. } | Content::Tree(_) => Vec::new(),
        };
        Self { example: Cow::Borrowed(example), word_spans }
    }
}
