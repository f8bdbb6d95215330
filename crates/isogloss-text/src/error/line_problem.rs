//! Parse errors of one line of a data file.

use thiserror::Error;

use crate::{TokenId, TreeError};

/// Parse error of one line of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// Invalid JSON in a line or a table cell.
    #[error("{reason}")]
    Json {
        /// The message of the JSON parser.
        reason: String,
    },

    /// List in place of an object in JSON Lines.
    #[error(
        "a list; in JSON Lines each line is an object, such as {{\"text\": …}}, which \
         `jq -c '.[]'` makes of a list of objects"
    )]
    JsonList,

    /// JSON object over several lines in place of JSON Lines.
    #[error("an object over several lines; in JSON Lines each is one line: `jq -c .` makes it")]
    OpenObject,

    /// Header in a file of sentence pairs.
    #[error("{left:?} and {right:?} are a header, and files of pairs have none")]
    PairHeader {
        /// The left cell.
        left: String,
        /// The right cell.
        right: String,
    },

    /// Wrong type: a JSON field has a value of another type.
    #[error("{field:?} must be a {expected}, found a {found}")]
    WrongType {
        /// The field.
        field: String,
        /// The type that was expected.
        expected: &'static str,
        /// The type that was found.
        found: &'static str,
    },

    /// Empty line between rows.
    #[error("empty line")]
    EmptyLine,

    /// Empty field: a field that requires text is blank.
    #[error("empty {field:?}")]
    EmptyField {
        /// The field.
        field: String,
    },

    /// Wrong number of columns: the line and the table differ.
    #[error("expected {expected} columns, found {found}")]
    ColumnCount {
        /// The number of columns of the table.
        expected: usize,
        /// The number of columns of the line.
        found: usize,
    },

    /// Too few columns: the line has fewer columns than required.
    #[error("expected at least {expected} columns, found {found}")]
    TooFewColumns {
        /// The number of columns that are needed.
        expected: usize,
        /// The number of columns of the line.
        found: usize,
    },

    /// A line of a bilingual dictionary is no word with one translation: a cell, and what is wrong.
    #[error("{0:?}: {1}")]
    Dictionary(String, &'static str),

    /// A line of plain text is a JSON object.
    #[error("a JSON object; expected a text a line, which `jq -r .text` writes")]
    JsonObject,

    /// Duplicate column name in the header.
    #[error("column {column:?} is named twice")]
    DuplicateColumn {
        /// The name.
        column: String,
    },

    /// Unclosed quote of a CSV field.
    #[error("a quoted field is never closed")]
    UnclosedQuote,

    /// Stray quote in a TSV file: a quoted field is not closed, or text follows its closing quote.
    #[error("a stray quote; where quotes are text, data.quoting = \"none\" says so")]
    StrayQuote,

    /// Invalid tag: it is not a span tag of the tag scheme.
    #[error(
        "tag {tag:?} spells no span in the scheme {scheme:?}, neither \"O\" nor a letter, \"-\" and a type; \
         data.tag_scheme = \"io\" reads bare types, task.pos_tagging parts of speech"
    )]
    InvalidTag {
        /// The tag.
        tag: String,
        /// The scheme.
        scheme: &'static str,
    },

    /// Invalid bracket tag (CoNLL-2012).
    #[error(
        "tag {tag:?} spells no span in the scheme \"brackets\": spans of a sentence begin with \
         \"(PER*\", go on with \"*\", end with \"*)\" and do not nest; another column may hold the \
         spans (data.columns.tag)"
    )]
    InvalidBracket {
        /// The tag.
        tag: String,
    },

    /// Inconsistent tags: no tag scheme allows both of two tags of a file.
    #[error(
        "tag {tag:?} is of another scheme than {other:?} of line {other_line}; \
         data.tag_scheme says how both are read"
    )]
    TagContradiction {
        /// The tag.
        tag: String,
        /// The tag that contradicts it.
        other: String,
        /// The line of the other tag.
        other_line: usize,
    },

    /// Ambiguous tag column: several columns of a CoNLL file contain span tags, and the last one
    /// does not.
    #[error("columns {columns:?} hold tags of spans; data.columns.tag says which is read")]
    TagColumns {
        /// The zero-based numbers of these columns.
        columns: Vec<usize>,
    },

    /// Columns that are not named, in a file of CoNLL-2012, whose words and tags are in columns of
    /// their own.
    #[error(
        "the layout of CoNLL-2012 (OntoNotes), whose last column holds coreference; its words and \
         {holds} are read by data.columns.word = {word} and data.columns.tag = \"{tag}\""
    )]
    Conll2012 {
        /// The zero-based number of the column of words.
        word: usize,
        /// The zero-based number of the column of tags.
        tag: usize,
        /// What this column holds.
        holds: &'static str,
    },

    /// Coreference in the last column of a CoNLL file, and no column of tags is known.
    #[error(
        "the last column holds mentions of coreference, such as \"(12)\"; data.columns.tag says \
         which column holds the tags"
    )]
    Coreference,

    /// Skeleton of a CoNLL file: each word is a placeholder.
    #[error("each word is {placeholder:?}: a skeleton, into which the words are still to be put")]
    Skeleton {
        /// The placeholder.
        placeholder: &'static str,
    },

    /// No column of parts of speech among the columns that a file names.
    #[error(
        "no column of \"# global.columns\" is called UPOS; data.columns.tag says which is read"
    )]
    NoUpos,

    /// CoNLL-U Plus in place of CoNLL-U: the columns are named, and are others than its ten.
    #[error(
        "\"# global.columns\" names others than the ten columns of CoNLL-U; taggers read such a file, \
         CoNLL-U Plus, as .conllup or in the format conll"
    )]
    GlobalColumns,

    /// Unknown tag column: the first column of a CoNLL file numbers the words, and no column of
    /// tags is known.
    #[error(
        "the first column counts the words; data.columns.word and data.columns.tag say which others are read"
    )]
    NumberedWords,

    /// Length mismatch: a JSON object has different numbers of words and tags.
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

    /// Missing span field: where spans are read, no line of the file has their field, or this line
    /// has a list under another name.
    #[error(
        "no field {field:?}, which holds the spans of a text, [] where there are none; found \
         {found:?}; data.columns.slots says which holds them"
    )]
    MissingSpans {
        /// The field.
        field: String,
        /// The fields of the line.
        found: Vec<String>,
    },

    /// Span field that is empty on all lines, beside a field that holds spans.
    #[error(
        "{other:?} has spans, and {field:?} is empty on every line; data.columns.slots says which \
         holds them"
    )]
    EmptySpans {
        /// The field.
        field: String,
        /// The field with spans.
        other: String,
    },

    /// Ambiguous field: several fields of a JSON object may contain the words or the tags.
    #[error("{fields:?} may all be the {part}; data.columns.{column} says which")]
    SeveralFields {
        /// The fields.
        fields: Vec<String>,
        /// What these fields may contain, such as words.
        part: &'static str,
        /// The key of `data.columns` in a recipe that selects one.
        column: &'static str,
    },

    /// Header that is one cell, in which another character seems to separate the columns.
    #[error(
        "the header is one cell with {found:?} in it, which separates no columns: columns are \
         separated by tabs in TSV and by commas in CSV"
    )]
    OtherSeparator {
        /// The character.
        found: char,
    },

    /// Table that seems to have a word in each row, where texts are read.
    #[error(
        "no column {column:?} of texts, and a row for each word, as in CoNLL files: data.format = \
         \"conll\" reads them"
    )]
    WordRows {
        /// The column of texts.
        column: String,
    },

    /// Class labels are numbers, and no label names are configured.
    #[error("{field:?} holds the numbers of classes; data.label_names names them in their order")]
    UnnamedClasses {
        /// The field.
        field: String,
    },

    /// Number of a class among names of classes or tags, or the other way round.
    #[error(
        "label {label:?}, and {other:?} in line {other_line}: one is the number of a class, the other a name"
    )]
    NumbersAndNames {
        /// The label.
        label: String,
        /// The first label of the other kind.
        other: String,
        /// The line of the other label.
        other_line: usize,
    },

    /// Class label that is a number, but not an integer.
    #[error(
        "{field:?} must be the name of a class, or its number as an integer, found {found}; \
         data.label_names lists classes of such names"
    )]
    FractionalClass {
        /// The field.
        field: String,
        /// The number.
        found: String,
    },

    /// Class index out of range of the label names.
    #[error("{field:?} holds class {found}, of {n_names} that have names")]
    ClassNumber {
        /// The field.
        field: String,
        /// The class index.
        found: String,
        /// The number of names.
        n_names: usize,
    },

    /// Text after the closing quote of a CSV field.
    #[error("text after a closing quote")]
    TextAfterQuote,

    /// Slot out of range: its span is not inside the text.
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

    /// Overlapping slots.
    #[error("slots {first:?} and {second:?} overlap")]
    SlotOverlap {
        /// The slot that starts first.
        first: String,
        /// The slot that starts inside it.
        second: String,
    },

    /// Malformed alignment link: not two word indices.
    #[error("link {found:?} is not of the form \"0-1\"")]
    Link {
        /// The link.
        found: String,
    },

    /// Alignment link out of range: a word index exceeds its text.
    #[error("link {link:?} does not fit texts of {n_left} and {n_right} words")]
    LinkRange {
        /// The link.
        link: String,
        /// The number of words of the left text.
        n_left: usize,
        /// The number of words of the right text.
        n_right: usize,
    },

    /// Invalid CoNLL-U token ID: not a number, range or decimal.
    #[error("token ID {found:?} is neither a number, a range nor a decimal")]
    TokenId {
        /// The ID.
        found: String,
    },

    /// CoNLL-U token IDs out of order: they must number words 1, 2, 3, with ranges before their
    /// words and decimals after them.
    #[error("expected token ID {expected}, found {found}")]
    TokenOrder {
        /// The expected next ID.
        expected: TokenId,
        /// The ID of the line.
        found: TokenId,
    },

    /// CoNLL-U multiword token out of range: its ID range exceeds the words of the sentence.
    #[error("token ID {range} in a sentence of {n_words} words")]
    WideRange {
        /// The ID of the token.
        range: TokenId,
        /// The number of words of the sentence.
        n_words: usize,
    },

    /// Invalid CoNLL-U head: not a number.
    #[error("head {found:?} is neither a number nor \"_\"")]
    HeadNumber {
        /// The head.
        found: String,
    },

    /// Misplaced CoNLL-U comment, after the first row of a sentence.
    #[error("a comment after the first row of a sentence")]
    MisplacedComment,

    /// CoNLL-U sentence without words, of comments or empty nodes only.
    #[error("a sentence without words")]
    NoWord,

    /// The heads of a sentence do not form a dependency tree.
    #[error(transparent)]
    Tree {
        /// The reason.
        source: TreeError,
    },
}
