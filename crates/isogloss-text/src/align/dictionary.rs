//! Bilingual dictionaries (lexicons) of single words, in the format of MUSE (Conneau et al. 2018).

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use crate::TextError;
use crate::reader::dictionary_entries;
use crate::source::{self, Source};

/// Bilingual dictionary (lexicon): the translations of each word, all in lower case.
///
/// # Source
/// Conneau et al. 2018, Word Translation Without Parallel Data, arXiv:1710.04087, whose
/// dictionaries have a word and one translation per line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    translations: HashMap<String, Vec<String>>,
}

impl<S: AsRef<str>, T: AsRef<str>> FromIterator<(S, T)> for Dictionary {
    /// Collects pairs of a word and a translation, in any case and order, and removes duplicates.
    fn from_iter<I: IntoIterator<Item = (S, T)>>(pairs: I) -> Self {
        let mut translations: HashMap<String, Vec<String>> = HashMap::new();
        for (word, translation) in pairs {
            let known = translations.entry(word.as_ref().to_lowercase()).or_default();
            known.push(translation.as_ref().to_lowercase());
        }
        for known in translations.values_mut() {
            known.sort_unstable();
            known.dedup();
        }
        Self { translations }
    }
}

impl Dictionary {
    /// Reads a dictionary file, see [`Dictionary::from_reader`].
    ///
    /// # Errors
    /// As [`Dictionary::from_reader`], and [`TextError::Io`] if the file cannot be opened.
    pub fn read(path: &Path) -> Result<Self, TextError> {
        Self::from_reader(source::open(path)?, path)
    }

    /// Reads a dictionary from a byte stream, a word and one translation per line; `path` names the
    /// stream in error messages.
    ///
    /// They are separated by a tab or ` ||| `, in which case both may contain spaces, or by spaces.
    /// A word with several translations has several lines.
    ///
    /// ```
    /// use isogloss_text::Dictionary;
    ///
    /// let dictionary = Dictionary::from_reader("house Haus\nhome\tHaus\nhome Heim\n".as_bytes(), "en-de.txt".as_ref())?;
    /// assert_eq!(dictionary.translations("Home"), ["haus", "heim"]);
    /// assert_eq!(dictionary.inverted().translations("Haus"), ["home", "house"]);
    /// # Ok::<(), isogloss_text::TextError>(())
    /// ```
    ///
    /// # Errors
    /// [`TextError`] names the first line that is not two columns; a stream without words is an
    /// error too.
    pub fn from_reader(reader: impl Read, path: &Path) -> Result<Self, TextError> {
        let source = Source::read(reader, path)?;
        Ok(dictionary_entries(&source)?.into_iter().collect())
    }

    /// Looks up the translations of a word, case-insensitively, sorted; empty if the word is
    /// unknown.
    pub fn translations(&self, word: &str) -> &[String] {
        self.translations.get(&word.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The number of words that have a translation.
    pub fn len(&self) -> usize {
        self.translations.len()
    }

    /// Whether no word has a translation.
    pub fn is_empty(&self) -> bool {
        self.translations.is_empty()
    }

    /// Inverse dictionary: the dictionary of the opposite direction.
    #[must_use]
    pub fn inverted(&self) -> Self {
        let pairs = self.translations.iter();
        pairs.flat_map(|(word, known)| known.iter().map(move |other| (other, word))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Dictionary;

    fn message(data: &[u8]) -> String {
        Dictionary::from_reader(data, "en-de.txt".as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn every_fault_names_its_line() {
        assert_eq!(message(b"a b\nc\n"), "en-de.txt:2: expected at least 2 columns, found 1");
        assert_eq!(message(b"a b\nc\td\te\n"), "en-de.txt:2: expected 2 columns, found 3");
        assert_eq!(message(b"a b\n\nc d\n"), "en-de.txt:2: empty line");
        assert_eq!(message(b"a b\n\xff d\n"), "en-de.txt:2: not valid UTF-8");
        assert_eq!(message(b"\n"), "en-de.txt: no example in this file");
        let error = Dictionary::read("no/such.txt".as_ref()).unwrap_err();
        assert_eq!(error.to_string(), "no/such.txt: cannot be read");
    }

    #[test]
    fn case_and_repetition_do_not_matter() {
        let dictionary =
            Dictionary::from_reader("Über over\r\nüber Over\n".as_bytes(), "x".as_ref()).unwrap();
        assert_eq!(dictionary, Dictionary::from_iter([("über", "over")]));
        assert_eq!((dictionary.len(), dictionary.translations("ÜBER").len()), (1, 1));
    }

    #[test]
    fn inverting_twice_changes_nothing() {
        let dictionary = Dictionary::from_iter([("a", "x"), ("a", "y"), ("b", "y")]);
        assert_eq!(dictionary.inverted().inverted(), dictionary);
    }
}
