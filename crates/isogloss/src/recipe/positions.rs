//! Source positions of recipe entries, for error messages about their values.

use std::collections::BTreeMap;
use std::ops::Range;

use super::file::RecipeFile;
use crate::RecipeFault;

/// Source positions of the entries of a recipe, by path: `optimizer.learning_rate`,
/// `objective.1.weight`. A recipe that was built in code has no files.
#[derive(Debug, Default)]
pub(super) struct Positions {
    files: Vec<RecipeFile>,
    spans: BTreeMap<String, Range<usize>>,
    /// Faulty entries that parsing has left out.
    removed: Vec<String>,
}

impl Positions {
    /// The positions in these files; `spans` are byte ranges by entry, `removed` the faulty entries
    /// that parsing has left out.
    pub(super) fn new(
        files: Vec<RecipeFile>,
        spans: BTreeMap<String, Range<usize>>,
        removed: Vec<String>,
    ) -> Self {
        Self { files, spans, removed }
    }

    /// Whether parsing has left out an entry, or an array for one of its elements: its default, which
    /// the recipe does not say, has no faults.
    pub(super) fn is_removed(&self, entry: &str) -> bool {
        let is_element = |rest: &str| {
            rest.is_empty() || rest.strip_prefix('.').is_some_and(|at| at.parse::<usize>().is_ok())
        };
        self.removed.iter().any(|name| name.strip_prefix(entry).is_some_and(is_element))
    }

    /// An error at the position of an entry, or of the nearest enclosing table if no file has the
    /// entry.
    pub(super) fn fault(&self, entry: &str, problem: impl Into<String>) -> RecipeFault {
        let mut path = Some(entry);
        while let Some(entry) = path {
            if let Some(span) = self.spans.get(entry) {
                return fault_at(&self.files, span.start, problem);
            }
            path = entry.rsplit_once('.').map(|(parent, _)| parent);
        }
        fault_at(&self.files, 0, problem)
    }
}

/// An error at a byte offset of a chain of files.
pub(super) fn fault_at(
    files: &[RecipeFile],
    offset: usize,
    problem: impl Into<String>,
) -> RecipeFault {
    match files.iter().find(|file| file.has(offset)).or(files.first()) {
        Some(file) => file.fault(offset, problem),
        None => RecipeFault { file: None, position: None, problem: problem.into() },
    }
}
