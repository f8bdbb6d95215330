//! Where the entries of a recipe file are, for the faults of their values.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::RecipeFault;

/// Where the entries of a file are: `optimizer.learning_rate`, `objective.1.weight`. A recipe that was
/// built in code has no positions.
#[derive(Debug, Default)]
pub(super) struct Positions {
    text: Option<String>,
    spans: BTreeMap<String, Range<usize>>,
}

impl Positions {
    /// Those of a file's text, by entry.
    pub(super) fn new(
        text: &str,
        entries: impl IntoIterator<Item = (String, Range<usize>)>,
    ) -> Self {
        Self { text: Some(text.to_owned()), spans: entries.into_iter().collect() }
    }

    /// A fault at an entry; at the table it is missing from, if the file does not have it.
    pub(super) fn fault(&self, entry: &str, problem: impl Into<String>) -> RecipeFault {
        let Some(text) = &self.text else {
            return RecipeFault { position: None, problem: problem.into() };
        };
        let mut path = entry;
        loop {
            if let Some(span) = self.spans.get(path) {
                return fault_at(text, span.start, problem.into());
            }
            match path.rsplit_once('.') {
                Some((parent, _)) => path = parent,
                None => return fault_at(text, 0, problem.into()),
            }
        }
    }
}

/// A fault at a byte of a text.
pub(super) fn fault_at(text: &str, offset: usize, problem: String) -> RecipeFault {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let (line, column) =
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
    RecipeFault { position: Some((line, column)), problem }
}
