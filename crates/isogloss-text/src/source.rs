//! Text of a data file: numbered lines, source locations of examples, and errors that name a line.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::{LineProblem, TextError};

/// Source location of an example: file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub path: Arc<Path>,
    /// The first line of the example, counted from 1.
    pub line: usize,
}

/// Text of a data file, with the path that names it in error messages.
pub(crate) struct Source {
    pub(crate) path: Arc<Path>,
    pub(crate) text: String,
}

impl Source {
    /// Reads a UTF-8 stream to its end and drops a byte order mark; if the stream has no LF, a CR
    /// ends a line, as in files of old spreadsheets.
    pub(crate) fn read(mut reader: impl Read, path: &Path) -> Result<Self, TextError> {
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(|source| TextError::Io { path: path.to_owned(), source })?;
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(TextError::Utf16 { path: path.to_owned() });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let n_valid = error.utf8_error().valid_up_to();
            let line_end = if error.as_bytes().contains(&b'\n') { b'\n' } else { b'\r' };
            let n_line_ends =
                error.as_bytes().iter().take(n_valid).filter(|&&byte| byte == line_end).count();
            TextError::InvalidUtf8 { path: path.to_owned(), line: n_line_ends + 1 }
        })?;
        let text = if text.contains('\n') { text } else { text.replace('\r', "\n") };
        Ok(Self { path: path.into(), text })
    }

    /// Iterates over all lines with their numbers, without line ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(idx, line)| (idx + 1, line))
    }

    /// Iterates over the lines of a format with one row per line; an empty line is an error, except
    /// at the end of the file.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<(usize, &str), TextError>> {
        let rows = self.text.trim_end_matches(['\n', '\r']).lines().enumerate();
        rows.map(|(idx, line)| match line.trim().is_empty() {
            true => Err(self.fault(idx + 1, LineProblem::EmptyLine)),
            false => Ok((idx + 1, line)),
        })
    }

    /// The source location of an example that begins at a line.
    pub(crate) fn origin(&self, line: usize) -> Origin {
        Origin { path: self.path.clone(), line }
    }

    /// The error of a file without examples.
    pub(crate) fn empty(&self) -> TextError {
        TextError::Empty { path: self.path.to_path_buf() }
    }

    /// The error of a line.
    pub(crate) fn fault(&self, line: usize, problem: LineProblem) -> TextError {
        TextError::Line { path: self.path.to_path_buf(), line, column: None, problem }
    }

    /// The error of a line with an empty field.
    pub(crate) fn empty_field(&self, line: usize, field: &str) -> TextError {
        self.fault(line, LineProblem::EmptyField { field: field.to_owned() })
    }

    /// The error of a line, or of a value in it, that is not the JSON expected; `column` is a byte
    /// of the line, counted from 1.
    pub(crate) fn json(
        &self,
        line: usize,
        column: Option<usize>,
        error: &serde_json::Error,
    ) -> TextError {
        // The parser's message counts lines from this line, which would be misleading.
        let message = error.to_string();
        let reason = message
            .split_once(" at line ")
            .map_or(message.as_str(), |(reason, _)| reason)
            .to_owned();
        // Column 0 stands for the value as a whole.
        let column = column.filter(|&column| column > 0);
        TextError::Line {
            path: self.path.to_path_buf(),
            line,
            column,
            problem: LineProblem::Json { reason },
        }
    }
}

/// Reads a file as bytes.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, TextError> {
    std::fs::read(path).map_err(|source| TextError::Io { path: path.to_owned(), source })
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<File, TextError> {
    File::open(path).map_err(|source| TextError::Io { path: path.to_owned(), source })
}
