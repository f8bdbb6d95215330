//! A recipe file: its text, and where in it a fault stands.

use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeTable;

use crate::RecipeFault;

/// The text of a recipe or of one that it extends.
///
/// Bytes are counted through all of these files, so that a span tells which of them it is of.
#[derive(Debug)]
pub(super) struct RecipeFile {
    /// None for the recipe itself.
    path: Option<PathBuf>,
    /// The text, after as many spaces as there are bytes in the files before it.
    padded: String,
    start: usize,
}

impl RecipeFile {
    /// The recipe itself.
    pub(super) fn new(text: &str) -> Self {
        Self { path: None, padded: text.to_owned(), start: 0 }
    }

    /// Reads the bytes of a file; `path` is that of one that another extends, and `start` the
    /// [`end`](Self::end) of that other.
    pub(super) fn from_bytes(
        path: Option<PathBuf>,
        bytes: Vec<u8>,
        start: usize,
    ) -> Result<Self, RecipeFault> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, padded: " ".repeat(start) + &text, start }),
            Err(error) => {
                // Up to the first fault both texts are the same.
                let text = String::from_utf8_lossy(error.as_bytes());
                let offset = start + error.utf8_error().valid_up_to();
                let file = Self { path, padded: " ".repeat(start) + &text, start };
                Err(file.fault(offset, "not valid UTF-8"))
            }
        }
    }

    /// Where the bytes of the next file begin.
    pub(super) fn end(&self) -> usize {
        self.padded.len() + 1
    }

    /// Whether a byte is of this file.
    pub(super) fn has(&self, offset: usize) -> bool {
        (self.start..self.end()).contains(&offset)
    }

    /// Its entries, or where it is no TOML.
    pub(super) fn table(&self) -> Result<DeTable<'_>, Vec<RecipeFault>> {
        let (table, errors) = DeTable::parse_recoverable(&self.padded);
        if errors.is_empty() {
            return Ok(table.into_inner());
        }
        let fault = |error: &toml::de::Error| {
            let start = error.span().map_or(self.start, |span| span.start);
            self.fault(start, error.message().replace('\n', ", "))
        };
        Err(errors.iter().map(fault).collect())
    }

    /// All of its bytes.
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.padded.len()
    }

    /// A fault at a byte.
    pub(super) fn fault(&self, offset: usize, problem: impl Into<String>) -> RecipeFault {
        let end = self.padded.floor_char_boundary(offset.max(self.start));
        let before = &self.padded[self.start..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let (line, column) =
            (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
        RecipeFault {
            file: self.path.clone(),
            position: Some((line, column)),
            problem: problem.into(),
        }
    }
}
