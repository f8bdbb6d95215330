//! Lexicons for data augmentation: bilingual dictionaries and translations, one file per language.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::fault::Fault;
use crate::reader::{dictionary_entries, read_pairs};
use crate::source::Source;
use crate::{Language, LanguagePattern, Quoting, TextError};

/// Lexicon: a sorted multimap of words or texts to their translations, stored in a few long
/// strings.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    /// Sorted.
    keys: Strings,
    /// The end of the value range of each key: the number of values of all keys up to it.
    ends: Vec<usize>,
    values: Strings,
}

impl Lexicon {
    /// Groups the values of each key, in the order of the entries, without duplicates.
    pub(crate) fn new(mut entries: Vec<(Cow<'_, str>, &str)>) -> Self {
        // The sort is stable.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut lexicon = Self::default();
        for entries in entries.chunk_by(|(a, _), (b, _)| a == b) {
            let first = lexicon.values.len();
            for &(_, value) in entries {
                let known = first..lexicon.values.len();
                if !known.into_iter().any(|idx| lexicon.values.get(idx) == value) {
                    lexicon.values.push(value);
                }
            }
            if let Some((key, _)) = entries.first() {
                lexicon.keys.push(key);
                lexicon.ends.push(lexicon.values.len());
            }
        }
        lexicon
    }

    /// Looks up a key by binary search: the indices of its values, at least one; `None` for an
    /// unknown key.
    pub(crate) fn find(&self, key: &str) -> Option<Range<usize>> {
        let (mut low, mut high) = (0, self.keys.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.keys.get(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let start = middle.checked_sub(1).and_then(|before| self.ends.get(before));
                    return Some(start.copied().unwrap_or(0)..*self.ends.get(middle)?);
                }
            }
        }
        None
    }

    /// The value at an index.
    pub(crate) fn value(&self, idx: usize) -> &str {
        self.values.get(idx)
    }

    /// The values of all keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        (0..self.values.len()).map(|idx| self.values.get(idx))
    }

    /// The number of keys.
    #[cfg(test)]
    pub(crate) fn n_keys(&self) -> usize {
        self.keys.len()
    }
}

/// A list of strings in one buffer.
#[derive(Debug, Default)]
struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    fn push(&mut self, string: &str) {
        self.text.push_str(string);
        self.ends.push(self.text.len());
    }

    /// The string at an index, empty if there is none.
    fn get(&self, idx: usize) -> &str {
        let start = idx.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(idx).copied();
        end.and_then(|end| self.text.get(start.unwrap_or(0)..end)).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

/// Reads the dictionary of each language, with lowercase words as keys.
pub(crate) fn read_dictionaries(
    pattern: &LanguagePattern,
    languages: &[Language],
) -> Result<Vec<Lexicon>, TextError> {
    read_each(pattern, languages, read_dictionary)
}

/// Reads the translations into each language, with trimmed texts as keys.
pub(crate) fn read_translations(
    pattern: &LanguagePattern,
    languages: &[Language],
    quoting: Option<Quoting>,
) -> Result<Vec<Lexicon>, TextError> {
    read_each(pattern, languages, |file, path| {
        let pairs = read_pairs(file, path, quoting)?;
        let entries = pairs.iter().map(|pair| (pair.left.trim().into(), pair.right.trim()));
        Ok(Lexicon::new(entries.collect()))
    })
}

/// Validates the path pattern and the languages of a view: the invalid fields, with reasons.
pub(crate) fn file_faults(
    [path_field, languages_field]: [&'static str; 2],
    pattern: &LanguagePattern,
    languages: &[Language],
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !pattern.has_language() {
        let (expected, found) = (LanguagePattern::LANGUAGE, pattern.as_str());
        faults.push((path_field, format!("expected a path with {expected}, found {found:?}")));
    }
    let mut seen = languages.iter().enumerate();
    let twice = seen.find(|&(idx, language)| languages.iter().take(idx).any(|l| l == language));
    match twice {
        _ if languages.is_empty() => {
            faults.push((languages_field, "expected at least one language".into()));
        }
        Some((_, language)) => {
            faults.push((languages_field, format!("\"{language}\" is listed twice")));
        }
        None => {}
    }
    faults
}

fn read_each(
    pattern: &LanguagePattern,
    languages: &[Language],
    read: impl Fn(File, &Path) -> Result<Lexicon, TextError>,
) -> Result<Vec<Lexicon>, TextError> {
    let one = |language: &Language| {
        let (path, file) = pattern.open(language)?;
        read(file, &path)
    };
    languages.iter().map(one).collect()
}

/// Reads a dictionary; `path` names the stream in error messages.
fn read_dictionary(reader: impl Read, path: &Path) -> Result<Lexicon, TextError> {
    let source = Source::read(reader, path)?;
    let entries = dictionary_entries(&source)?.into_iter();
    Ok(Lexicon::new(entries.map(|(word, other)| (word.to_lowercase().into(), other)).collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Lexicon, read_dictionary};

    fn message(data: &[u8]) -> String {
        read_dictionary(data, "en-de.txt".as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn columns_stand_between_tabs_or_spaces() {
        let data = "\u{feff}Light\tdas Licht\r\nlight  leicht\nice cream\tEis\nlight das Licht\n\n";
        let lexicon = read_dictionary(data.as_bytes(), "en-de.txt".as_ref()).unwrap();
        let found = |word: &str| {
            let indices = lexicon.find(word).into_iter().flatten();
            indices.map(|idx| lexicon.value(idx)).collect::<Vec<_>>()
        };
        assert_eq!(found("light"), ["das Licht", "leicht"]);
        assert_eq!(found("ice cream"), ["Eis"]);
        assert_eq!(found("Light"), Vec::<&str>::new());
    }

    #[test]
    fn every_fault_names_its_line() {
        assert_eq!(
            message(b"a b\nword\nc d\n"),
            "en-de.txt:2: expected at least 2 columns, found 1"
        );
        assert_eq!(message(b"word \n"), "en-de.txt:1: expected at least 2 columns, found 1");
        assert_eq!(message(b"a\tb\tc\n"), "en-de.txt:1: expected 2 columns, found 3");
        assert_eq!(message(b"a\t \n"), "en-de.txt:1: empty \"translation\"");
        assert_eq!(message(b"\tb\n"), "en-de.txt:1: empty \"word\"");
        assert_eq!(message(b"a b\n\nc d\n"), "en-de.txt:2: empty line");
        assert_eq!(message(b"a b\nc \xff\n"), "en-de.txt:2: not valid UTF-8");
        assert_eq!(message(b"\n"), "en-de.txt: no example in this file");
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_dictionary_or_an_error(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = read_dictionary(data.as_slice(), "x".as_ref());
        }

        #[test]
        fn any_text_gives_a_dictionary_or_an_error(data in "[a \t\n\u{3000}é]{0,40}") {
            let _ = read_dictionary(data.as_bytes(), "x".as_ref());
        }

        #[test]
        fn a_lexicon_is_a_map_of_lists(entries in prop::collection::vec(("[a-c灯]{0,3}", "[x-z]{0,2}"), 0..40)) {
            let mut map: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (key, value) in &entries {
                let values = map.entry(key).or_default();
                if !values.contains(&value.as_str()) {
                    values.push(value);
                }
            }
            let lexicon = Lexicon::new(entries.iter().map(|(key, value)| (key.into(), value.as_str())).collect());
            prop_assert_eq!(lexicon.n_keys(), map.len());
            for (key, values) in map {
                let found: Vec<&str> = lexicon.find(key).unwrap().map(|idx| lexicon.value(idx)).collect();
                prop_assert_eq!(found, values);
            }
            prop_assert_eq!(lexicon.find("nothing"), None);
        }
    }
}
