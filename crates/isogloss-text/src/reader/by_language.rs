//! Dictionaries and translations: a file for each language, by a path with `{language}` in it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::reader::read_pairs;
use crate::reader::source::Source;
use crate::view::Lexicon;
use crate::{Language, LanguagePattern, LineProblem, TextError};

/// The dictionary of each language, by the words in lower case.
pub(crate) fn read_dictionaries(
    pattern: &LanguagePattern,
    languages: &[Language],
) -> Result<Vec<Lexicon>, TextError> {
    read_each(pattern, languages, read_dictionary)
}

/// The translations into each language, by the texts without space at their ends.
pub(crate) fn read_translations(
    pattern: &LanguagePattern,
    languages: &[Language],
) -> Result<Vec<Lexicon>, TextError> {
    read_each(pattern, languages, |file, path| {
        let pairs = read_pairs(file, path)?;
        let entries = pairs.iter().map(|pair| (pair.left.trim().into(), pair.right.trim()));
        Ok(Lexicon::new(entries.collect()))
    })
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

/// The entries of a dictionary; `path` names the stream in messages.
fn read_dictionary(reader: impl Read, path: &Path) -> Result<Lexicon, TextError> {
    let source = Source::read(reader, path)?;
    let entries = dictionary_entries(&source)?.into_iter();
    Ok(Lexicon::new(entries.map(|(word, other)| (word.to_lowercase().into(), other)).collect()))
}

/// A word and one translation a line, between tabs, which lets either hold spaces, or between spaces.
pub(crate) fn dictionary_entries(source: &Source) -> Result<Vec<(&str, &str)>, TextError> {
    let mut entries = Vec::new();
    for row in source.rows() {
        let (line, content) = row?;
        let (word, translation) = match content.split_once('\t') {
            Some((_, rest)) if rest.contains('\t') => {
                let found = content.split('\t').count();
                return Err(source.fault(line, LineProblem::ColumnCount { expected: 2, found }));
            }
            Some((word, translation)) => (word.trim(), translation.trim()),
            None => match content.trim().split_once(char::is_whitespace) {
                Some((word, translation)) => (word, translation.trim()),
                None => {
                    let problem = LineProblem::TooFewColumns { expected: 2, found: 1 };
                    return Err(source.fault(line, problem));
                }
            },
        };
        for (column, cell) in [("word", word), ("translation", translation)] {
            if cell.is_empty() {
                return Err(source.empty_field(line, column));
            }
        }
        entries.push((word, translation));
    }
    if entries.is_empty() { Err(source.empty()) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read_dictionary;

    fn message(data: &[u8]) -> String {
        read_dictionary(data, "en-de.txt".as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn columns_stand_between_tabs_or_spaces() {
        let data = "\u{feff}Light\tdas Licht\r\nlight  leicht\nice cream\tEis\nlight das Licht\n\n";
        let lexicon = read_dictionary(data.as_bytes(), "en-de.txt".as_ref()).unwrap();
        let found = |word: &str| {
            let places = lexicon.find(word).into_iter().flatten();
            places.map(|idx| lexicon.value(idx)).collect::<Vec<_>>()
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
    }
}
