//! Faults of one line of a data file.

use thiserror::Error;

use crate::{TokenId, TreeError};

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

    /// An empty line stands between rows.
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

    /// A quote of a TSV file opens no field that ends, or ends it before the tab.
    #[error(
        "a stray quote; where quotes are text, data.quoting = \"none\" (--quoting none) says so"
    )]
    StrayQuote,

    /// A tag spells no part of a span.
    #[error(
        "tag {tag:?} spells no span in the scheme {scheme:?}, neither \"O\" nor a letter, \"-\" and a type; \
         data.tag_scheme = \"io\" reads bare types"
    )]
    TagOfNoScheme {
        /// The tag.
        tag: String,
        /// The scheme.
        scheme: &'static str,
    },

    /// Two tags of a file cannot be of one scheme.
    #[error(
        "tag {tag:?} is of another scheme than {other:?} of line {other_line}; \
         data.tag_scheme says how both are read"
    )]
    TagContradiction {
        /// The tag.
        tag: String,
        /// The tag that it contradicts.
        other: String,
        /// The line of that.
        other_line: usize,
    },

    /// Several columns of a CoNLL file hold tags of spans, and the last is none of them.
    #[error("columns {columns:?} hold tags of spans; data.columns.tag says which is read")]
    TagColumns {
        /// Their zero-based numbers.
        columns: Vec<usize>,
    },

    /// No column of a CoNLL file whose first counts words is that of the tags.
    #[error(
        "the first column counts the words; data.columns.word and data.columns.tag say which others are read"
    )]
    NumberedWords,

    /// Words and tags of a JSON object do not pair up.
    #[error("{n_words} words in {words:?}, {n_tags} tags in {tags:?}")]
    TagCount {
        /// The field of the words.
        words: String,
        /// The number of words.
        n_words: usize,
        /// The field of the tags.
        tags: String,
        /// The number of tags.
        n_tags: usize,
    },

    /// Several fields may hold what is read.
    #[error("{fields:?} may all be the {part}; data.columns.{column} says which")]
    SeveralFields {
        /// The fields.
        fields: Vec<String>,
        /// What they hold.
        part: &'static str,
        /// The key of a recipe that names it.
        column: &'static str,
    },

    /// Labels are numbers without names.
    #[error("{field:?} holds the numbers of classes; data.label_names names them in their order")]
    UnnamedClasses {
        /// The field.
        field: String,
    },

    /// A class has a number beyond the names.
    #[error("{field:?} holds class {found}, of {n_names} that have names")]
    ClassNumber {
        /// The field.
        field: String,
        /// The number.
        found: String,
        /// The number of names.
        n_names: usize,
    },

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

    /// The range of a multiword token of a CoNLL-U sentence is beyond its words.
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

    /// A comment of a CoNLL-U file comes after the first row of a sentence.
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
