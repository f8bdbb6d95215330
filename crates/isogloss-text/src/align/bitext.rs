//! Parallel corpus (bitext) as word ids: training data of the statistical word aligner.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Word normalization: the form in which words are counted and looked up.
///
/// Alignment links always refer to the words of the original text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordForm {
    /// No normalization; for text with spaces around punctuation, as fast_align expects it.
    Verbatim,
    /// Lowercased.
    Lowercase,
    /// Lowercased, without punctuation or any other character before the first and after the last
    /// letter or digit; for running text.
    ///
    /// `House,` becomes `house`; a word without letters and digits is unchanged.
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

/// Parallel corpus (bitext): pairs of texts as word ids, with one vocabulary per side.
///
/// It takes four bytes per word and one vocabulary entry per distinct word, and does not keep the
/// texts, so a corpus can be read line by line.
/// A clone shares the memory of the original.
#[derive(Debug, Clone)]
pub struct Bitext {
    pub(super) form: WordForm,
    pub(super) left: Arc<Side>,
    pub(super) right: Arc<Side>,
}

/// One side of a parallel corpus: its texts as word ids, and its vocabulary.
#[derive(Debug, Default)]
pub(super) struct Side {
    vocabulary: HashMap<Box<str>, u32>,
    words: Vec<u32>,
    ends: Vec<usize>,
}

impl Bitext {
    /// Builds a parallel corpus from pairs of texts, with an id for each normalized word.
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

    /// Reverse corpus: left and right texts are swapped.
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

    /// The total number of words of the left texts.
    pub fn n_left_words(&self) -> usize {
        self.left.n_words()
    }

    /// The total number of words of the right texts.
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

    /// The total number of words of the texts.
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
