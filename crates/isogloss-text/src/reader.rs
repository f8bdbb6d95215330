//! Dataset readers: JSON Lines, TSV, CSV, CoNLL, CoNLL-U, parallel text and plain text.
//!
//! The readers take any byte stream, and a path that names it in error messages, so they work
//! without a file system.
//! Only [`read_file`], [`read_pair_file`], [`read_sentence_file`], [`read_treebank_file`] and the
//! readers of dictionaries and translations open files.
//! A byte order mark, CRLF line ends and empty lines at the end are accepted everywhere; an empty
//! line between rows is an error, unless it ends a sentence or is in running text.
//! Reading stops at the first invalid line, with an error that names it.

mod columns;
mod conll;
mod conllu;
mod csv;
mod dictionary;
mod jsonl;
mod label_names;
mod options;
mod pairs;
mod quoting;
mod row;
mod sentences;
mod table;
mod texts;
mod words;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

pub use columns::Columns;
pub(crate) use dictionary::dictionary_entries;
pub use options::{Annotation, Format, Quoting, ReadOptions};
pub use pairs::read_pairs;
pub use sentences::{is_json_object, read_sentences};
pub use texts::{Texts, lowercase, read_string_fields};

use crate::source::{Source, open};
use crate::treebank::{self, Treebank};
use crate::{Example, SentencePair, TextError};

/// Reads the examples of a dataset from a byte stream; `path` names it in error messages.
///
/// ```
/// use isogloss_text::{Content, Format, ReadOptions, read_examples};
///
/// let data = "text\tlabel\nLicht an\tturn_on\n";
/// let examples = read_examples(data.as_bytes(), "de.tsv".as_ref(), &ReadOptions::new(Format::Tsv))?;
/// assert!(matches!(&examples[0].content, Content::Text { text, .. } if text == "Licht an"));
///
/// let error = read_examples("text\tlabel\nLicht an\n".as_bytes(), "de.tsv".as_ref(), &ReadOptions::new(Format::Tsv)).unwrap_err();
/// assert_eq!(error.to_string(), "de.tsv:2: expected 2 columns, found 1");
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError`] names the first invalid line; a stream without examples, or without examples of
/// the requested split, is an error too.
pub fn read_examples(
    reader: impl Read,
    path: &Path,
    options: &ReadOptions,
) -> Result<Vec<Example>, TextError> {
    let source = Source::read(reader, path)?;
    let examples = match options.format {
        Format::Jsonl => jsonl::read(&source, options),
        Format::Tsv if conll::is_hipe(&source) => conll::read(&source, options),
        Format::Tsv if options.quoting == Quoting::None => {
            table::read(&source, table::plain_rows(&source, '\t'), options)
        }
        Format::Tsv => table::read(&source, csv::tab_rows(&source), options),
        Format::Csv if options.quoting == Quoting::None => {
            table::read(&source, table::plain_rows(&source, ','), options)
        }
        Format::Csv => table::read(&source, csv::rows(&source), options),
        Format::Conll => conll::read(&source, options),
        Format::Conllu => conllu::read(&source, options),
    }?;
    match &options.split {
        _ if examples.is_empty() => Err(source.empty()),
        Some(split) => select_split(examples, path, split, &options.columns.split),
        None => Ok(examples),
    }
}

/// Reads the examples of a dataset file.
///
/// # Errors
/// As [`read_examples`], and [`TextError::Io`] if the file cannot be opened.
pub fn read_file(path: &Path, options: &ReadOptions) -> Result<Vec<Example>, TextError> {
    read_examples(open(path)?, path, options)
}

/// Reads a file of parallel sentence pairs, see [`read_pairs`].
///
/// # Errors
/// As [`read_pairs`], and [`TextError::Io`] if the file cannot be opened.
pub fn read_pair_file(
    path: &Path,
    quoting: Option<Quoting>,
) -> Result<Vec<SentencePair>, TextError> {
    read_pairs(open(path)?, path, quoting)
}

/// Reads a plain-text file, one sentence per line, see [`read_sentences`].
///
/// # Errors
/// As [`read_sentences`], and [`TextError::Io`] if the file cannot be opened.
pub fn read_sentence_file(path: &Path) -> Result<Vec<String>, TextError> {
    read_sentences(open(path)?, path)
}

/// Reads a CoNLL-U treebank with all columns from a byte stream; `path` names it in error messages.
///
/// Heads must be numbers within the sentence or `_`;
/// [`Sentence::check_tree`](crate::Sentence::check_tree) checks whether they form a tree.
///
/// ```
/// use isogloss_text::read_treebank;
///
/// let treebank = read_treebank("1\tLicht\t_\t_\t_\t_\t0\troot\t_\t_\n\n".as_bytes(), "de.conllu".as_ref())?;
/// assert_eq!(treebank.sentences[0].words()[0].form, "Licht");
///
/// let error = read_treebank("1\tLicht\t_\t_\t_\t_\t2\troot\t_\t_\n\n".as_bytes(), "de.conllu".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "de.conllu:1: head 2 of word 1 is beyond the 1 words of the sentence");
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError`] names the first invalid line; a stream without sentences is an error too.
pub fn read_treebank(reader: impl Read, path: &Path) -> Result<Treebank, TextError> {
    let source = Source::read(reader, path)?;
    let treebank = treebank::parse(&source)?;
    if treebank.sentences.is_empty() { Err(source.empty()) } else { Ok(treebank) }
}

/// Reads a CoNLL-U treebank file, see [`read_treebank`].
///
/// # Errors
/// As [`read_treebank`], and [`TextError::Io`] if the file cannot be opened.
pub fn read_treebank_file(path: &Path) -> Result<Treebank, TextError> {
    read_treebank(open(path)?, path)
}

/// Selects the examples of a split; `path` and `field`, the column of splits, are for messages.
///
/// # Errors
/// If an example has no split, or none is of this one.
pub fn select_split(
    examples: Vec<Example>,
    path: &Path,
    split: &str,
    field: &str,
) -> Result<Vec<Example>, TextError> {
    let mut known = BTreeSet::new();
    let mut kept = Vec::new();
    for example in examples {
        match &example.split {
            None => {
                let (path, field) = (path.to_owned(), field.to_owned());
                let (line, nearest) = (example.origin.line, None);
                return Err(TextError::MissingField { path, line, field, nearest, key: None });
            }
            Some(name) if name == split => kept.push(example),
            Some(name) => {
                known.insert(name.clone());
            }
        }
    }
    if kept.is_empty() {
        let known = known.into_iter().collect();
        return Err(TextError::MissingSplit {
            path: path.to_owned(),
            split: split.to_owned(),
            known,
        });
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        Format, ReadOptions, read_examples, read_file, read_pair_file, read_pairs,
        read_sentence_file, read_sentences,
    };
    use crate::TextError;

    const FORMATS: [Format; 5] =
        [Format::Jsonl, Format::Tsv, Format::Csv, Format::Conll, Format::Conllu];

    fn message(format: Format, data: &[u8]) -> String {
        read_examples(data, "data/de".as_ref(), &ReadOptions::new(format)).unwrap_err().to_string()
    }

    #[test]
    fn a_file_without_examples_is_refused_in_every_format() {
        for format in FORMATS {
            for data in ["", "\n", "\u{feff}\r\n\r\n"] {
                assert_eq!(message(format, data.as_bytes()), "data/de: no example in this file");
            }
        }
        assert_eq!(message(Format::Csv, b"text,label\n"), "data/de: no example in this file");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_by_line_in_every_format() {
        for format in FORMATS {
            assert_eq!(message(format, b"text\n\nfine\nbr\xffken\n"), "data/de:4: not valid UTF-8");
        }
    }

    #[test]
    fn utf_16_is_told_in_every_format() {
        // "Unicode Text" of Excel.
        let little = "\u{feff}text\tlabel\n".encode_utf16().flat_map(u16::to_le_bytes);
        let big = "\u{feff}text\tlabel\n".encode_utf16().flat_map(u16::to_be_bytes);
        for data in [little.collect::<Vec<_>>(), big.collect()] {
            for format in FORMATS {
                let message = message(format, &data);
                assert!(message.starts_with("data/de: UTF-16; UTF-8 is read"), "{message}");
            }
        }
    }

    #[test]
    fn only_the_split_asked_for_is_kept() {
        let data = "text\tsplit\na\ttrain\nb\ttest\nc\ttrain\n";
        let read = |split: &str| {
            read_examples(
                data.as_bytes(),
                "x.tsv".as_ref(),
                &ReadOptions::new(Format::Tsv).with_split(split),
            )
        };
        let lines: Vec<usize> =
            read("train").unwrap().iter().map(|example| example.origin.line).collect();
        assert_eq!(lines, [2, 4]);
        assert_eq!(
            read("dev").unwrap_err().to_string(),
            r#"x.tsv: no example of split "dev", only of ["test", "train"]"#
        );
    }

    #[test]
    fn a_row_without_a_split_is_read_unless_one_is_selected() {
        let tsv = "text\tsplit\na\ttrain\nb\t\n";
        let jsonl =
            "{\"text\": \"a\", \"split\": \"train\"}\n{\"text\": \"b\", \"split\": \" \"}\n";
        for (format, data, line) in [(Format::Tsv, tsv, 3), (Format::Jsonl, jsonl, 2)] {
            let options = ReadOptions::new(format);
            let read =
                |options: &ReadOptions| read_examples(data.as_bytes(), "x".as_ref(), options);
            let splits: Vec<_> =
                read(&options).unwrap().into_iter().map(|example| example.split).collect();
            assert_eq!(splits, [Some("train".to_owned()), None]);
            let error = read(&options.with_split("train")).unwrap_err();
            assert_eq!(error.to_string(), format!("x:{line}: no field \"split\""));
        }
    }

    #[test]
    fn a_split_is_not_guessed_where_the_file_names_none() {
        let options = ReadOptions::new(Format::Tsv).with_split("train");
        let error = read_examples("text\na\n".as_bytes(), "x.tsv".as_ref(), &options).unwrap_err();
        assert_eq!(error.to_string(), "x.tsv:2: no field \"split\"");
    }

    #[test]
    fn options_refuse_unknown_keys() {
        assert!(serde_json::from_str::<ReadOptions>(r#"{"format": "jsonl"}"#).is_ok());
        assert!(
            serde_json::from_str::<ReadOptions>(r#"{"format": "jsonl", "spilt": "train"}"#)
                .is_err()
        );
        assert!(
            serde_json::from_str::<ReadOptions>(r#"{"format": "jsonl", "columns": {"txt": "a"}}"#)
                .is_err()
        );
    }

    #[test]
    fn files_are_named_by_their_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("de.conll");
        std::fs::write(&path, "Licht O\nan\n").unwrap();
        let error = read_file(&path, &ReadOptions::new(Format::Conll)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}:2: expected at least 2 columns, found 1", path.display())
        );
        std::fs::write(&path, "yes\tja\n").unwrap();
        assert_eq!(read_pair_file(&path, None).unwrap()[0].origin.path.as_ref(), path);
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = read_pair_file("/nowhere/en-de.tsv".as_ref(), None).unwrap_err();
        assert!(matches!(&error, TextError::Io { .. }));
        assert_eq!(error.to_string(), "/nowhere/en-de.tsv: cannot be read");
        let error = read_sentence_file("/nowhere/de.txt".as_ref()).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/de.txt: cannot be read");
    }

    proptest! {
        #[test]
        fn any_bytes_give_examples_or_an_error(data in prop::collection::vec(any::<u8>(), 0..200), header: bool) {
            for format in FORMATS {
                let _ = read_examples(data.as_slice(), "x".as_ref(), &ReadOptions::new(format).with_header(header));
            }
            let _ = read_pairs(data.as_slice(), "x".as_ref(), None);
            let _ = read_sentences(data.as_slice(), "x".as_ref());
        }

        #[test]
        fn any_shuffled_syntax_gives_examples_or_an_error(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "text", "label", "slots", "split", "\t", ",", "\"", "\n", "\r\n", " ", "1", "2", "1-2", "1.1", "_", "é",
                    "🎵", "{", "}", "[", "]", ":", "\u{feff}", "-DOCSTART-", "#", "O", "B-x", "\"text\":\"é\"",
                    "\"slots\":[{\"start\":0,\"end\":1,\"slot\":\"x\"}]", "99999999999999999999", "\t_\t_\t_\t_\t_\t_\t_\t_\t_",
                ]),
                0..40,
            ),
            header: bool,
        ) {
            let data = parts.concat();
            for format in FORMATS {
                for example in read_examples(data.as_bytes(), "x".as_ref(), &ReadOptions::new(format).with_header(header)).unwrap_or_default() {
                    prop_assert!((1..=data.split('\n').count()).contains(&example.origin.line));
                }
            }
            let _ = read_pairs(data.as_bytes(), "x".as_ref(), None);
        }
    }
}
