//! Errors of texts, data files and tokenizers.

mod line_problem;

use std::path::PathBuf;

use thiserror::Error;

pub use line_problem::LineProblem;

use crate::{Language, TagFault, ViewKind};

/// Why a text, a data file or a tokenizer was refused.
///
/// A message names the file and the line it is about, as editors and compilers do: `data/de.jsonl:17: empty "text"`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file could not be read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// The file holds no example.
    #[error("{}: no example in this file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },

    /// A line does not have the form that its format asks for.
    #[error("{}:{line}{}: {problem}", path.display(), suffix(*column))]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The byte of the line, counted from 1, where it is known.
        column: Option<usize>,
        /// What is wrong with it.
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

    /// An example lacks a field that is needed.
    #[error("{}:{line}: no field {field:?}{}", path.display(), hint(nearest))]
    MissingField {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The field that was looked for.
        field: String,
        /// The field of this example with the nearest name.
        nearest: Option<String>,
    },

    /// A table lacks a column that is needed.
    #[error("{}:{line}: no column {column:?}{}", path.display(), hint(nearest))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The line that should name the column, counted from 1.
        line: usize,
        /// The column that was looked for, by name or by zero-based number.
        column: String,
        /// The column of this table with the nearest name.
        nearest: Option<String>,
    },

    /// A column is set by name where only a number can find it.
    #[error("{}: column {column:?} is not a zero-based number, and this file has no header", path.display())]
    ColumnNumber {
        /// The file.
        path: PathBuf,
        /// The column as it was set.
        column: String,
    },

    /// The tag column of a CoNLL-U file is neither of the two that exist.
    #[error("{}: tag column {column:?} is neither \"upos\" nor \"xpos\"", path.display())]
    TagColumn {
        /// The file.
        path: PathBuf,
        /// The column as it was set.
        column: String,
    },

    /// No example belongs to the split that was asked for.
    #[error("{}: no example of split {split:?}, only of {known:?}", path.display())]
    MissingSplit {
        /// The file.
        path: PathBuf,
        /// The split that was asked for.
        split: String,
        /// The splits that the file has, sorted.
        known: Vec<String>,
    },

    /// An example has a label that the label set does not know.
    #[error("{}:{line}: unknown label {label:?}{}", path.display(), hint(nearest))]
    UnknownLabel {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The label of the example.
        label: String,
        /// The known label with the nearest name.
        nearest: Option<String>,
    },

    /// A label is listed twice.
    #[error("label {label:?} is listed twice")]
    DuplicateLabel {
        /// The label.
        label: String,
    },

    /// A tag is not `O`, `B-<name>` or `I-<name>`.
    #[error("tag {tag:?} is not \"O\", \"B-<name>\" or \"I-<name>\"")]
    InvalidBio {
        /// The tag.
        tag: String,
    },

    /// A language is not written as a BCP-47 tag.
    #[error("{tag:?} is not a language tag such as \"en\", \"zh-CN\" or \"sr-Latn\": {fault}")]
    InvalidLanguage {
        /// The tag.
        tag: String,
        /// What is wrong with it.
        fault: TagFault,
    },

    /// Among the files of all languages is one whose name is no language tag, though it looks like one.
    #[error(
        "{}: {tag:?} is not a language tag: {fault}; move the file elsewhere, or list the languages in place of all",
        path.display()
    )]
    FileOfNoLanguage {
        /// The file.
        path: PathBuf,
        /// What stands where the tag is expected.
        tag: String,
        /// What is wrong with it.
        fault: TagFault,
    },

    /// Several files may be meant for a language that has none of its own.
    #[error(
        "{}: no file for \"{language}\", and several that it may be: {}; name one of them",
        path.display(), quoted(candidates)
    )]
    AmbiguousLanguage {
        /// The file that was looked for.
        path: PathBuf,
        /// The language.
        language: Language,
        /// The languages that have a file and may be meant.
        candidates: Vec<Language>,
    },

    /// A tokenizer file cannot be used.
    #[error("{}: not a usable tokenizer: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A tokenizer has no mask token.
    #[error(
        "this tokenizer has no mask token, neither \"<mask>\" nor \"[MASK]\"; its special tokens are {special:?}"
    )]
    NoMaskToken {
        /// The special tokens that it has.
        special: Vec<String>,
    },

    /// A vocabulary cannot be trimmed as asked.
    #[error("cannot trim the vocabulary: {reason}")]
    Trim {
        /// Why not.
        reason: String,
    },

    /// A value of a masking configuration cannot be used.
    #[error("masking.{field}: {reason}")]
    InvalidMasking {
        /// The field.
        field: &'static str,
        /// What was expected and what was found.
        reason: String,
    },

    /// A text could not be tokenized.
    #[error("cannot tokenize {text:?}: {reason}")]
    Encode {
        /// The start of the text.
        text: String,
        /// What the tokenizer said.
        reason: String,
    },

    /// The maximum length has no room for text beside the special tokens.
    #[error("max_length {max_length} has no room for text beside {n_special} special tokens")]
    MaxLength {
        /// The length that was asked for, in tokens.
        max_length: usize,
        /// The number of special tokens in one sequence.
        n_special: usize,
    },

    /// There is no file for a language.
    #[error("{}: no file for \"{language}\", {}", path.display(), only(known))]
    MissingLanguage {
        /// The file that was looked for.
        path: PathBuf,
        /// The language.
        language: Language,
        /// The languages that have a file, sorted.
        known: Vec<Language>,
    },

    /// A value of the `[views]` table cannot be used.
    #[error("views.{field}: {reason}")]
    InvalidViews {
        /// The field.
        field: &'static str,
        /// What was expected and what was found.
        reason: String,
    },

    /// A view was asked for that has no table in the configuration.
    #[error("there is no table [views.{view}] for the view \"{view}\"")]
    MissingView {
        /// The view.
        view: ViewKind,
    },

    /// A translated view was asked for in a tagging task, where each word or token has its own label.
    #[error(
        "the view \"translated\" has no tags: nothing tells which word of a translation stands for which word of the text; \"code_switched\" and \"subword_sampled\" keep tags"
    )]
    TranslatedTags,

    /// A parsed treebank is not over the text of the gold standard.
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
        /// The start of the text of the gold standard from there on, without spaces.
        expected: String,
        /// The start of the parsed text from there on, without spaces.
        found: String,
    },

    /// A file does not have one line for each text or pair that it is about.
    #[error("{}: expected {expected} lines, found {found}", path.display())]
    LineCount {
        /// The file.
        path: PathBuf,
        /// The number of texts or pairs.
        expected: usize,
        /// The number of lines.
        found: usize,
    },

    /// A batch joins features with different kinds of targets.
    #[error("a batch joins features with different kinds of targets")]
    MixedTargets,

    /// A batch does not have one index for each of its features.
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
