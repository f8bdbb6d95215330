//! Errors of text preprocessing: data files, tokenizers, labels, configurations and batches.

mod line_problem;

use std::path::PathBuf;

use thiserror::Error;

pub use line_problem::LineProblem;

use crate::{Language, TagFault, ViewKind};

/// Error of text preprocessing: an invalid data file, tokenizer, label, configuration or batch.
///
/// Messages begin with the file and the line, as those of compilers do:
/// `data/de.jsonl:17: empty "text"`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file could not be read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },

    /// Empty dataset: the file contains no example.
    #[error("{}: no example in this file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },

    /// Parse error: a line is not valid in the format of the file.
    #[error("{}:{line}{}: {problem}", path.display(), suffix(*column))]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, a byte of the line counted from 1, if known.
        column: Option<usize>,
        /// The reason.
        #[source]
        problem: LineProblem,
    },

    /// A line holds bytes that are not UTF-8.
    #[error("{}:{line}: not valid UTF-8", path.display())]
    InvalidUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },

    /// A file begins with the byte order mark of UTF-16, as spreadsheets write it.
    #[error("{}: UTF-16; UTF-8 is read, which `iconv -f utf-16 -t utf-8` makes of it", path.display())]
    Utf16 {
        /// The file.
        path: PathBuf,
    },

    /// Missing field: an example lacks a required field.
    #[error("{}:{line}: no field {field:?}{}{}", path.display(), hint(nearest), named_by(*key, nearest.is_some()))]
    MissingField {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The required field.
        field: String,
        /// The field of this example with the most similar name, for a hint.
        nearest: Option<String>,
        /// The key of `data.columns` in a recipe that says which field it is, for a hint.
        key: Option<&'static str>,
    },

    /// Missing column: a table lacks a required column.
    #[error("{}:{line}: no column {column:?}{}{}{}", path.display(), hint(nearest), named_by(*key, nearest.is_some()), header_hint(*names_none))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The line that should name the column, counted from 1.
        line: usize,
        /// The required column, by name or by zero-based number.
        column: String,
        /// The column of this table with the most similar name, for a hint.
        nearest: Option<String>,
        /// The key of `data.columns` in a recipe that says which column it is, for a hint.
        key: Option<&'static str>,
        /// Whether the line names no column that is read, as where a table has no header.
        names_none: bool,
    },

    /// A column is configured by a name that the file does not have, so only a number is valid.
    #[error("{}: column {column:?} is not a zero-based number, and this file names no such column", path.display())]
    ColumnNumber {
        /// The file.
        path: PathBuf,
        /// The configured column.
        column: String,
    },

    /// The configured tag column of a CoNLL-U file is neither `upos` nor `xpos`.
    #[error("{}: tag column {column:?} is neither \"upos\" nor \"xpos\"", path.display())]
    TagColumn {
        /// The file.
        path: PathBuf,
        /// The configured column.
        column: String,
    },

    /// Missing split: no example belongs to the requested split.
    #[error("{}: no example of split {split:?}, only of {known:?}", path.display())]
    MissingSplit {
        /// The file.
        path: PathBuf,
        /// The requested split.
        split: String,
        /// The splits that the file has, sorted.
        known: Vec<String>,
    },

    /// Unknown label: the label of an example is not in the label set.
    #[error("{}:{line}: unknown label {label:?}{}", path.display(), label_hint(label, nearest))]
    UnknownLabel {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The label of the example.
        label: String,
        /// The known label with the most similar name, for a hint.
        nearest: Option<String>,
    },

    /// Duplicate label in a label set.
    #[error("label {label:?} is listed twice")]
    DuplicateLabel {
        /// The label.
        label: String,
    },

    /// Invalid BIO tag: not `O`, `B-<name>` or `I-<name>`.
    #[error("tag {tag:?} is not \"O\", \"B-<name>\" or \"I-<name>\"")]
    InvalidBio {
        /// The tag.
        tag: String,
    },

    /// Invalid language tag: not a well-formed BCP-47 tag.
    #[error("{tag:?} is not a language tag such as \"en\", \"zh-CN\" or \"sr-Latn\": {fault}")]
    InvalidLanguage {
        /// The tag.
        tag: String,
        /// The reason.
        fault: TagFault,
    },

    /// A file that matches the path pattern has a name that resembles a language tag but is not a
    /// valid one.
    #[error(
        "{}: {tag:?} is not a language tag: {fault}; move the file elsewhere, or list the languages in place of all",
        path.display()
    )]
    InvalidLanguageInFileName {
        /// The file.
        path: PathBuf,
        /// The part of the file name at the position of the language tag.
        tag: String,
        /// The reason.
        fault: TagFault,
    },

    /// Language tag in a file name that is not in its canonical form, by which files are found.
    #[error("{}: rename it to {}, the form of its language tag", path.display(), expected.display())]
    LanguageSpelling {
        /// The file.
        path: PathBuf,
        /// Where the file of the language is looked for.
        expected: PathBuf,
    },

    /// Ambiguous language: it has no file of its own, and several files match it by BCP-47
    /// fallback.
    #[error(
        "{}: no file for \"{language}\", and several that it may be: {}; name one of them",
        path.display(), quoted(candidates)
    )]
    AmbiguousLanguage {
        /// The expected file.
        path: PathBuf,
        /// The language.
        language: Language,
        /// The languages that have a file and match.
        candidates: Vec<Language>,
    },

    /// Invalid tokenizer file.
    #[error("{}: not a usable tokenizer: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },

    /// The tokenizer has no mask token.
    #[error(
        "this tokenizer has no mask token, neither \"<mask>\" nor \"[MASK]\"; its special tokens are {special:?}"
    )]
    NoMaskToken {
        /// The special tokens of the tokenizer.
        special: Vec<String>,
    },

    /// Vocabulary trimming failed.
    #[error("cannot trim the vocabulary: {reason}")]
    Trim {
        /// The reason.
        reason: String,
    },

    /// Invalid value in the masking configuration (MLM).
    #[error("masking.{field}: {reason}")]
    InvalidMasking {
        /// The field.
        field: &'static str,
        /// The expected and the found value.
        reason: String,
    },

    /// Tokenization of a text failed.
    #[error("cannot tokenize {text:?}: {reason}")]
    Encode {
        /// The start of the text.
        text: String,
        /// The error message of the tokenizer.
        reason: String,
    },

    /// The maximum sequence length leaves no room for text besides the special tokens.
    #[error("max_length {max_length} has no room for text beside {n_special} special tokens")]
    MaxLength {
        /// The requested maximum length in tokens.
        max_length: usize,
        /// The number of special tokens in one sequence.
        n_special: usize,
    },

    /// Missing data file of a language.
    #[error("{}: no file for \"{language}\", {}", path.display(), only(known))]
    MissingLanguage {
        /// The expected file.
        path: PathBuf,
        /// The language.
        language: Language,
        /// The languages that have a file, sorted.
        known: Vec<Language>,
    },

    /// Invalid value in the `[views]` table (data augmentation).
    #[error("views.{field}: {reason}")]
    InvalidViews {
        /// The field.
        field: &'static str,
        /// The expected and the found value.
        reason: String,
    },

    /// Missing configuration: a requested view has no table.
    #[error("there is no table [views.{view}] for the view \"{view}\"")]
    MissingView {
        /// The view.
        view: ViewKind,
    },

    /// Text mismatch: a parsed treebank and the gold standard do not have the same text.
    #[error(
        "{}:{line}: expected the text {expected:?} of {}:{gold_line}, found {found:?}",
        path.display(), gold_path.display()
    )]
    TextMismatch {
        /// The file of the parsed treebank.
        path: PathBuf,
        /// The line of its first token that differs, counted from 1.
        line: usize,
        /// The file of the gold standard.
        gold_path: PathBuf,
        /// The line of its first token that differs.
        gold_line: usize,
        /// The text of the gold standard from that position on, an excerpt without spaces.
        expected: String,
        /// The parsed text from that position on, an excerpt without spaces.
        found: String,
    },

    /// Line count mismatch: the file does not have one line for each text or pair.
    #[error("{}: expected {expected} lines, found {found}", path.display())]
    LineCount {
        /// The file.
        path: PathBuf,
        /// The number of texts or pairs.
        expected: usize,
        /// The number of lines.
        found: usize,
    },

    /// Collation error: the features of a batch have different kinds of targets.
    #[error("a batch joins features with different kinds of targets")]
    MixedTargets,

    /// Collation error: the numbers of features and of indices differ.
    #[error("a batch of {n_features} features has {n_indices} indices")]
    IndexCount {
        /// The number of features.
        n_features: usize,
        /// The number of indices.
        n_indices: usize,
    },
}

fn suffix(column: Option<usize>) -> String {
    column.map_or_else(String::new, |column| format!(":{column}"))
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(", did you mean {name:?}?"))
}

/// Hint for an unknown label: a similar one, the key that names numbers, or the key that says what to
/// do with such labels.
fn label_hint(label: &str, nearest: &Option<String>) -> String {
    match nearest {
        Some(_) => hint(nearest),
        None if label.parse::<i64>().is_ok() => {
            "; data.label_names names the classes that are given as numbers, in their order"
                .to_owned()
        }
        None => "; data.unseen_labels says what to do with such labels".to_owned(),
    }
}

fn named_by(key: Option<&'static str>, is_after_question: bool) -> String {
    let mark = if is_after_question { "" } else { ";" };
    key.map_or_else(String::new, |key| format!("{mark} data.columns.{key} says which holds it"))
}

fn header_hint(names_none: bool) -> &'static str {
    match names_none {
        true => {
            "; if this line is no header, data.header = false names columns by numbers, from \"0\""
        }
        false => "",
    }
}

fn only(known: &[Language]) -> String {
    if known.is_empty() {
        return "nor for any other language".into();
    }
    format!("only for {}", quoted(known))
}

fn quoted(languages: &[Language]) -> String {
    let languages = languages.iter().map(|language| format!("\"{language}\""));
    languages.collect::<Vec<_>>().join(", ")
}
