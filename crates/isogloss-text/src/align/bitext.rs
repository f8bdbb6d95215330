//! Parallel text as word ids: the training data of the statistical aligner.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Word normalization: which words count as the same when words are counted or looked up.
///
/// Links are about the words as they stand in the text, whatever the form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordForm {
    /// As they are written; for text with punctuation between spaces, as fast_align takes it.
    Verbatim,
    /// In lower case.
    Lowercase,
    /// In lower case and without punctuation, or any other character, before the first and after the last letter or digit; for running text.
    ///
    /// `House,` counts as `house`; a word without letters and digits stays as it is.
    #[default]
    Bare,
}

impl WordForm {
    /// The normalized word.
    ///
    /// ```
    /// use isogloss_text::WordForm;
    ///
    /// assert_eq!(WordForm::Bare.normalize("(Straße),"), "straße");
    /// assert_eq!(WordForm::Bare.normalize("…"), "…");
    /// ```
    pub fn normalize(self, word: &str) -> Cow<'_, str> {
        match self {
            Self::Verbatim => Cow::Borrowed(word),
            Self::Lowercase => Cow::Owned(word.to_lowercase()),
            Self::Bare => {
                let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
                Cow::Owned(if bare.is_empty() { word } else { bare }.to_lowercase())
            }
        }
    }
}

/// A parallel corpus as word ids, one vocabulary for each side.
///
/// Takes four bytes a word and one entry for each distinct word; the texts themselves are not kept, so a corpus can be read line by line.
/// A copy shares the memory of the original.
#[derive(Debug, Clone)]
pub struct Bitext {
    pub(super) form: WordForm,
    pub(super) left: Arc<Side>,
    pub(super) right: Arc<Side>,
}

/// The texts of one side, and its vocabulary.
#[derive(Debug, Default)]
pub(super) struct Side {
    vocabulary: HashMap<Box<str>, u32>,
    words: Vec<u32>,
    ends: Vec<usize>,
}

impl Bitext {
    /// Gives ids to the normalized words of pairs of texts.
    ///
    /// ```
    /// use isogloss_text::{Bitext, WordForm};
    ///
    /// let bitext = Bitext::from_pairs([("The house.", "Das Haus."), ("the", "das")], WordForm::Bare);
    /// assert_eq!((bitext.len(), bitext.n_left_words(), bitext.n_right_words()), (2, 3, 3));
    /// ```
    pub fn from_pairs<L: AsRef<str>, R: AsRef<str>>(
        pairs: impl IntoIterator<Item = (L, R)>,
        form: WordForm,
    ) -> Self {
        let (mut left, mut right) = (Side::default(), Side::default());
        for (left_text, right_text) in pairs {
            left.push(left_text.as_ref(), form);
            right.push(right_text.as_ref(), form);
        }
        Self { form, left: Arc::new(left), right: Arc::new(right) }
    }

    /// The pairs with left and right exchanged.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { form: self.form, left: self.right.clone(), right: self.left.clone() }
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.left.ends.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of words of all left texts.
    pub fn n_left_words(&self) -> usize {
        self.left.n_words()
    }

    /// The number of words of all right texts.
    pub fn n_right_words(&self) -> usize {
        self.right.n_words()
    }

    /// The word ids of both texts of a pair.
    pub(super) fn pair(&self, idx: usize) -> (&[u32], &[u32]) {
        (self.left.text(idx), self.right.text(idx))
    }
}

impl Side {
    fn push(&mut self, text: &str, form: WordForm) {
        for word in text.split_whitespace() {
            let word = form.normalize(word);
            let id = match self.vocabulary.get(word.as_ref()) {
                Some(&id) => id,
                None => {
                    let id = u32::try_from(self.vocabulary.len())
                        .expect("four billion different words do not fit in memory");
                    self.vocabulary.insert(word.into(), id);
                    id
                }
            };
            self.words.push(id);
        }
        self.ends.push(self.words.len());
    }

    /// The number of texts.
    pub(super) fn n_texts(&self) -> usize {
        self.ends.len()
    }

    /// The number of words of all texts.
    pub(super) fn n_words(&self) -> usize {
        self.words.len()
    }

    /// The size of the vocabulary.
    pub(super) fn n_known(&self) -> usize {
        self.vocabulary.len()
    }

    /// The id of a normalized word.
    pub(super) fn id(&self, word: &str) -> Option<u32> {
        self.vocabulary.get(word).copied()
    }

    /// The word ids of a text.
    pub(super) fn text(&self, idx: usize) -> &[u32] {
        let start = idx.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start..self.ends[idx]]
    }
}

#[cfg(test)]
mod tests {
    use super::{Bitext, WordForm};

    #[test]
    fn words_of_one_form_have_one_number() {
        let pairs = [("A a, b", "x"), ("", "x X")];
        let ids = |form| {
            let bitext = Bitext::from_pairs(pairs, form);
            (bitext.pair(0).0.to_vec(), bitext.pair(1).1.to_vec())
        };
        assert_eq!(ids(WordForm::Verbatim), (vec![0, 1, 2], vec![0, 1]));
        assert_eq!(ids(WordForm::Lowercase), (vec![0, 1, 2], vec![0, 0]));
        assert_eq!(ids(WordForm::Bare), (vec![0, 0, 1], vec![0, 0]));
    }

    #[test]
    fn a_blank_text_has_no_words() {
        let bitext = Bitext::from_pairs([("a", " "), ("b", "y")], WordForm::Verbatim).reversed();
        assert_eq!((bitext.pair(0), bitext.pair(1)), ((&[][..], &[0][..]), (&[0][..], &[1][..])));
    }
}
