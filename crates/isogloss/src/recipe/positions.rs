//! Where the entries of a recipe's files are, for the faults of their values.

use std::collections::BTreeMap;
use std::ops::Range;

use super::file::RecipeFile;
use crate::RecipeFault;

/// Where the entries of a recipe's files are: `optimizer.learning_rate`, `objective.1.weight`. A recipe
/// that was built in code has no files.
#[derive(Debug, Default)]
pub(super) struct Positions {
    files: Vec<RecipeFile>,
    spans: BTreeMap<String, Range<usize>>,
}

impl Positions {
    /// Those of some files, by entry.
    pub(super) fn new(files: Vec<RecipeFile>, spans: BTreeMap<String, Range<usize>>) -> Self {
        Self { files, spans }
    }

    /// A fault at an entry; at the table it is missing from, if no file has it.
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

/// A fault at a byte of some files.
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
