//! CSV and TSV parser with quoting: CSV as in RFC 4180, and TSV as pandas and Python's `csv.writer`
//! quote it.
//!
//! The parser is strict where leniency loses data: a quote that is never closed would take the rest
//! of the file as one field.
//! In TSV, where quotes are often text, a quoted cell with both a line break and a tab is rejected,
//! because it is most likely two stray quotes around rows.

use std::borrow::Cow;

use crate::reader::table::Cells;
use crate::source::Source;
use crate::{LineProblem, TextError};

/// Iterates over the rows of a CSV file; the line number of a row is that of its first line.
pub(crate) fn rows(source: &Source) -> impl Iterator<Item = Result<Cells<'_>, TextError>> {
    Rows { source, delimiter: ',', rest: &source.text, line: 1 }
}

/// Iterates over the rows of a TSV file whose cells may be quoted.
pub(crate) fn tab_rows(source: &Source) -> impl Iterator<Item = Result<Cells<'_>, TextError>> {
    Rows { source, delimiter: '\t', rest: &source.text, line: 1 }
}

struct Rows<'a> {
    source: &'a Source,
    delimiter: char,
    rest: &'a str,
    line: usize,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Cells<'a>, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.trim_end_matches(['\n', '\r']).is_empty() {
            return None;
        }
        let line = self.line;
        if self.end_line() {
            return Some(Err(self.source.fault(line, LineProblem::EmptyLine)));
        }
        let mut cells = Vec::new();
        loop {
            match self.cell() {
                Ok(cell) => cells.push(cell),
                Err(problem) => {
                    let error = self.source.fault(self.line, problem);
                    self.rest = "";
                    return Some(Err(error));
                }
            }
            match self.rest.strip_prefix(self.delimiter) {
                Some(rest) => self.rest = rest,
                None => {
                    self.end_line();
                    return Some(Ok((line, cells)));
                }
            }
        }
    }
}

impl<'a> Rows<'a> {
    /// Consumes one line end, if it comes next.
    fn end_line(&mut self) -> bool {
        let rest = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'));
        if let Some(rest) = rest {
            self.rest = rest;
            self.line += 1;
        }
        rest.is_some()
    }

    /// Consumes one cell, up to the delimiter or the line end after it.
    fn cell(&mut self) -> Result<Cow<'a, str>, LineProblem> {
        match self.rest.strip_prefix('"') {
            Some(quoted) if self.delimiter == '\t' => {
                let line = self.line;
                let cell = self.quoted(quoted).ok();
                let swallows = |cell: &Cow<'_, str>| cell.contains('\n') && cell.contains('\t');
                cell.filter(|cell| !swallows(cell)).ok_or_else(|| {
                    self.line = line;
                    LineProblem::StrayQuote
                })
            }
            Some(quoted) => self.quoted(quoted),
            None => {
                let n_bytes = self.rest.find([self.delimiter, '\n']).unwrap_or(self.rest.len());
                let (cell, rest) = self.rest.split_at(n_bytes);
                self.rest = rest;
                let before_line_feed = cell.strip_suffix('\r').filter(|_| rest.starts_with('\n'));
                Ok(Cow::Borrowed(before_line_feed.unwrap_or(cell)))
            }
        }
    }

    /// Consumes the rest of a quoted cell after its opening quote.
    fn quoted(&mut self, mut quoted: &'a str) -> Result<Cow<'a, str>, LineProblem> {
        let mut cell = Cow::Borrowed("");
        let mut n_line_ends = 0;
        loop {
            let (part, rest) = quoted.split_once('"').ok_or(LineProblem::UnclosedQuote)?;
            n_line_ends += part.matches('\n').count();
            cell += part;
            match rest.strip_prefix('"') {
                Some(rest) => {
                    cell += "\"";
                    quoted = rest;
                }
                None => {
                    self.line += n_line_ends;
                    self.rest = rest;
                    break;
                }
            }
        }
        let closed = self.rest.is_empty()
            || self.rest.starts_with(self.delimiter)
            || ["\n", "\r\n"].iter().any(|end| self.rest.starts_with(end));
        if closed { Ok(cell) } else { Err(LineProblem::TextAfterQuote) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::rows;
    use crate::source::Source;

    fn read(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
        let source = Source::read(text.as_bytes(), "x.csv".as_ref()).unwrap();
        rows(&source)
            .map(|row| {
                row.map(|(line, cells)| (line, cells.iter().map(|cell| cell.to_string()).collect()))
            })
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())
    }

    fn row(line: usize, cells: &[&str]) -> (usize, Vec<String>) {
        (line, cells.iter().map(|cell| cell.to_string()).collect())
    }

    #[test]
    fn rows_keep_their_first_line_after_cells_of_several_lines() {
        let text = "a,b\r\n\"1\n2\",\"say \"\"hi\"\"\"\r\nc,\n,d\n\n";
        let expected = [
            row(1, &["a", "b"]),
            row(2, &["1\n2", "say \"hi\""]),
            row(4, &["c", ""]),
            row(5, &["", "d"]),
        ];
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn an_empty_line_between_rows_is_a_fault() {
        assert_eq!(read("a\n\nb\n").unwrap_err(), "x.csv:2: empty line");
    }

    #[test]
    fn broken_quotes_name_the_line() {
        assert_eq!(read("a\n\"b,c\nd\n").unwrap_err(), "x.csv:2: a quoted field is never closed");
        assert_eq!(read("a\n\"b\"c\n").unwrap_err(), "x.csv:2: text after a closing quote");
    }

    #[test]
    fn a_quote_inside_a_plain_cell_is_text() {
        assert_eq!(read("12\" vinyl,b\n").unwrap(), [row(1, &["12\" vinyl", "b"])]);
    }

    proptest! {
        #[test]
        fn quoted_cells_read_back_as_written(table in prop::collection::vec(prop::collection::vec("[a,\"\n\r é🎵]{0,6}", 1..4), 1..5)) {
            let text: String = table
                .iter()
                .map(|cells| cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",") + "\n")
                .collect();
            let cells: Vec<Vec<String>> = read(&text).unwrap().into_iter().map(|(_, cells)| cells).collect();
            prop_assert_eq!(cells, table);
        }
    }
}
