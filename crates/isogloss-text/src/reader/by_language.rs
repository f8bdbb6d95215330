//! Dictionaries and translations: a file for each language, by a path with `{language}` in it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::reader::read_pairs;
use crate::reader::source::Source;
use crate::view::{LANGUAGE, Lexicon};
use crate::{Language, LineProblem, TextError};

/// The dictionary of each language, by the words in lower case.
pub(crate) fn read_dictionaries(
    pattern: &str,
    languages: &[Language],
) -> Result<Vec<Lexicon>, TextError> {
    read_each(pattern, languages, read_dictionary)
}

/// The translations into each language, by the texts without space at their ends.
pub(crate) fn read_translations(
    pattern: &str,
    languages: &[Language],
) -> Result<Vec<Lexicon>, TextError> {
    read_each(pattern, languages, |file, path| {
        let pairs = read_pairs(file, path)?;
        let entries = pairs.iter().map(|pair| (pair.left.trim().into(), pair.right.trim()));
        Ok(Lexicon::new(entries.collect()))
    })
}

fn read_each(
    pattern: &str,
    languages: &[Language],
    read: impl Fn(File, &Path) -> Result<Lexicon, TextError>,
) -> Result<Vec<Lexicon>, TextError> {
    let one = |language: &Language| {
        let path = PathBuf::from(pattern.replace(LANGUAGE, language.as_str()));
        let file = File::open(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => TextError::MissingLanguage {
                path: path.clone(),
                language: language.clone(),
                known: languages_with_file(pattern),
            },
            _ => TextError::Io { path: path.clone(), source },
        })?;
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

/// The languages that have a file, sorted: those that `{language}` in the pattern can stand for.
///
/// ```
/// assert!(isogloss_text::languages_with_file("no/such/en-{language}.tsv").is_empty());
/// ```
pub fn languages_with_file(pattern: &str) -> Vec<Language> {
    // The files, or folders, that differ in the first part of the path with a language in it.
    let mut parts = Path::new(pattern).components();
    let mut folder = PathBuf::new();
    let part = parts.by_ref().find_map(|part| {
        let name = part.as_os_str().to_str()?;
        let before_and_after = name.split_once(LANGUAGE);
        if before_and_after.is_none() {
            folder.push(part);
        }
        before_and_after
    });
    if folder.as_os_str().is_empty() {
        folder.push(".");
    }
    let (Some((before, after)), Ok(entries)) = (part, std::fs::read_dir(folder)) else {
        return Vec::new();
    };
    let language = |name: &str| {
        let after = after.split(LANGUAGE).next().unwrap_or_default();
        let rest = name.strip_prefix(before)?;
        let tag = if after.is_empty() { rest } else { rest.split_once(after)?.0 };
        let language: Language = tag.parse().ok()?;
        let has_file = Path::new(&pattern.replace(LANGUAGE, language.as_str())).is_file();
        has_file.then_some(language)
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut known: Vec<Language> = names.filter_map(|name| language(&name)).collect();
    known.sort_unstable();
    known.dedup();
    known
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{read_dictionaries, read_dictionary, read_translations};
    use crate::Language;

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

    #[test]
    fn a_language_without_a_file_is_told_which_have_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "a\tb\n").unwrap();
        };
        for name in ["en-tr.txt", "en-zh-CN.txt", "en-fr.tsv", "tr/en.txt", "de/fr.txt"] {
            write(name);
        }
        let german: Vec<Language> = vec!["de".parse().unwrap()];
        let root = folder.path().display();
        let message = |pattern: &str| {
            let pattern = format!("{root}/{pattern}");
            read_dictionaries(&pattern, &german).unwrap_err().to_string()
        };
        assert_eq!(
            message("en-{language}.txt"),
            format!("{root}/en-de.txt: no file for \"de\", only for \"tr\", \"zh-CN\"")
        );
        assert_eq!(
            message("{language}/en.txt"),
            format!("{root}/de/en.txt: no file for \"de\", only for \"tr\"")
        );
        assert_eq!(
            message("x/{language}"),
            format!("{root}/x/de: no file for \"de\", nor for any other language")
        );
        let turkish: Vec<Language> = vec!["tr".parse().unwrap()];
        assert_eq!(
            read_translations(&format!("{root}/en-{{language}}.txt"), &turkish).unwrap().len(),
            1
        );
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
