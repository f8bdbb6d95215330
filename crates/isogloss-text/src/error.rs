//! What can be wrong with a text, a data file or a tokenizer.

use std::path::PathBuf;

use thiserror::Error;

use crate::treebank::{TokenId, TreeError};
use crate::{Language, TextView};

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
    #[error("{tag:?} is not a language tag such as \"en\", \"zh-CN\" or \"sr-Latn\"")]
    InvalidLanguage {
        /// The tag.
        tag: String,
    },

    /// A tokenizer file cannot be used.
    #[error("{}: not a usable tokenizer: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A tokenizer has no token to mask others with.
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

    /// The longest length asked for has no room for the special tokens.
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

    /// A view was asked for that no table says how to make.
    #[error("there is no table [views.{view}] for the view \"{view}\"")]
    MissingView {
        /// The view.
        view: TextView,
    },

    /// A translation was asked for where each word or token has its own label.
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

    /// A file has not one line for each text or pair that it is about.
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

    /// A batch has not one index for each of its features.
    #[error("a batch of {n_features} features has {n_indices} indices")]
    IndexCount {
        /// The number of features.
        n_features: usize,
        /// The number of indices.
        n_indices: usize,
    },
}

/// What is wrong with one line of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// The line, or a cell of it, is not the JSON that was expected.
    #[error("{reason}")]
    Json {
        /// What the parser said.
        reason: String,
    },

    /// A field holds a value of another type.
    #[error("{field:?} must be a {expected}, found a {found}")]
    WrongType {
        /// The field.
        field: String,
        /// The type that was expected.
        expected: &'static str,
        /// The type that was found.
        found: &'static str,
    },

    /// A line without anything stands between rows.
    #[error("empty line")]
    EmptyLine,

    /// A field that must hold text holds none.
    #[error("empty {field:?}")]
    EmptyField {
        /// The field.
        field: String,
    },

    /// The line has another number of columns than the table.
    #[error("expected {expected} columns, found {found}")]
    ColumnCount {
        /// The number of columns of the table.
        expected: usize,
        /// The number of columns of the line.
        found: usize,
    },

    /// The line has fewer columns than are read.
    #[error("expected at least {expected} columns, found {found}")]
    TooFewColumns {
        /// The number of columns that are needed.
        expected: usize,
        /// The number of columns of the line.
        found: usize,
    },

    /// The header names a column twice.
    #[error("column {column:?} is named twice")]
    DuplicateColumn {
        /// The name.
        column: String,
    },

    /// A quoted CSV field is never closed.
    #[error("a quoted field is never closed")]
    UnclosedQuote,

    /// Text follows the closing quote of a CSV field.
    #[error("text after a closing quote")]
    TextAfterQuote,

    /// A slot does not lie inside the text.
    #[error("slot {slot:?} at {start}..{end} does not fit a text of {n_chars} characters")]
    SlotRange {
        /// The name of the slot.
        slot: String,
        /// The first character, counted from 0.
        start: usize,
        /// One past the last character.
        end: usize,
        /// The length of the text in characters.
        n_chars: usize,
    },

    /// Two slots share a character.
    #[error("slots {first:?} and {second:?} overlap")]
    SlotOverlap {
        /// The slot that starts first.
        first: String,
        /// The slot that starts inside it.
        second: String,
    },

    /// A link of an alignment is not two word numbers.
    #[error("link {found:?} is not of the form \"0-1\"")]
    Link {
        /// The link.
        found: String,
    },

    /// A link of an alignment names a word that is not there.
    #[error("link {link:?} does not fit texts of {n_left} and {n_right} words")]
    LinkRange {
        /// The link.
        link: String,
        /// The number of words of the left text.
        n_left: usize,
        /// The number of words of the right text.
        n_right: usize,
    },

    /// A CoNLL-U row has an ID that is no number, range or decimal.
    #[error("token ID {found:?} is neither a number, a range nor a decimal")]
    TokenId {
        /// The ID.
        found: String,
    },

    /// The IDs of a CoNLL-U sentence do not count words 1, 2, 3, with ranges before their words and decimals after them.
    #[error("expected token ID {expected}, found {found}")]
    TokenOrder {
        /// The ID that comes next.
        expected: TokenId,
        /// The ID of the line.
        found: TokenId,
    },

    /// A multiword token of a CoNLL-U sentence stands for words that do not follow.
    #[error("token ID {range} in a sentence of {n_words} words")]
    WideRange {
        /// The ID of the token.
        range: TokenId,
        /// The number of words of the sentence.
        n_words: usize,
    },

    /// A CoNLL-U row has a head that is no number.
    #[error("head {found:?} is neither a number nor \"_\"")]
    HeadNumber {
        /// The head.
        found: String,
    },

    /// A comment of a CoNLL-U file does not stand before the first row of a sentence.
    #[error("a comment after the first row of a sentence")]
    LateComment,

    /// Comments or empty nodes of a CoNLL-U file belong to no word.
    #[error("a sentence without words")]
    NoWord,

    /// The heads of a sentence form no tree.
    #[error(transparent)]
    Tree {
        /// What is wrong with them.
        source: TreeError,
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
    let known: Vec<String> = known.iter().map(|language| format!("\"{language}\"")).collect();
    format!("only for {}", known.join(", "))
}
