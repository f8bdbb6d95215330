//! The lines of a CoNLL file: cells between tabs, or between ASCII white space.

use crate::source::Source;

/// Document boundary marker of CoNLL files, a line without a word.
const DOCUMENT_START: &str = "-DOCSTART-";

/// A line and its cells.
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) content: &'a str,
    pub(super) cells: Vec<&'a str>,
}

impl<'a> Line<'a> {
    /// Splits all lines of a file into cells.
    pub(super) fn all(source: &'a Source) -> Vec<Self> {
        let line = |(number, content): (usize, &'a str)| {
            let cells = match content.contains('\t') {
                true => content.split('\t').collect(),
                false => content.split_ascii_whitespace().collect(),
            };
            Self { number, content, cells }
        };
        source.lines().map(line).collect()
    }

    /// Whether the line is a sentence boundary: a blank line or a document boundary.
    pub(super) fn is_border(&self, word: usize) -> bool {
        let is_start = |cell: &&str| *cell == DOCUMENT_START;
        self.content.trim().is_empty()
            || self.cells.first().is_some_and(is_start)
            || self.cells.get(word).is_some_and(is_start)
    }

    /// Whether the line begins with `#` and so may be a comment.
    pub(super) fn is_marked(&self) -> bool {
        self.content.starts_with('#')
    }
}
