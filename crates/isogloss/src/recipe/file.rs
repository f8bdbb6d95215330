//! Source text of a recipe file, and the line and column of a byte offset in it.

use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeTable;

use crate::RecipeFault;

/// Source text of a recipe, or of a recipe that it extends.
///
/// Byte offsets are counted through all files of a chain, so that a span identifies its file.
#[derive(Debug)]
pub(super) struct RecipeFile {
    /// The path of an extended recipe; none for the recipe itself.
    path: Option<PathBuf>,
    /// The text after `start` spaces, so that the parser's spans are offsets in the whole chain.
    padded: String,
    start: usize,
}

impl RecipeFile {
    /// The recipe itself.
    pub(super) fn new(text: &str) -> Self {
        Self { path: None, padded: text.to_owned(), start: 0 }
    }

    /// Decodes the bytes of a file; `path` is that of an extended recipe, and `start` the
    /// [`end`](Self::end) of the file that extends it.
    pub(super) fn from_bytes(
        path: Option<PathBuf>,
        bytes: Vec<u8>,
        start: usize,
    ) -> Result<Self, RecipeFault> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, padded: " ".repeat(start) + &text, start }),
            Err(error) => {
                // Both texts are the same up to the first invalid byte.
                let text = String::from_utf8_lossy(error.as_bytes());
                let offset = start + error.utf8_error().valid_up_to();
                let file = Self { path, padded: " ".repeat(start) + &text, start };
                Err(file.fault(offset, "not valid UTF-8"))
            }
        }
    }

    /// The byte offset at which the next file starts.
    pub(super) fn end(&self) -> usize {
        self.padded.len() + 1
    }

    /// Whether a byte offset is in this file.
    pub(super) fn has(&self, offset: usize) -> bool {
        (self.start..self.end()).contains(&offset)
    }

    /// Parses the TOML, or returns the syntax errors with their positions.
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

    /// The byte range of the whole file.
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.padded.len()
    }

    /// An error at a byte offset, with its line and column.
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
