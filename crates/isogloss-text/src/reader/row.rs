//! Validation of a row of running text, from JSON Lines or a table.

use crate::reader::columns::Columns;
use crate::source::Source;
use crate::{Content, Example, LineProblem, Slot, TextError};

/// Unvalidated row of a JSON Lines file or a table.
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) pair: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) split: Option<String>,
    pub(crate) lacks_spans: bool,
}

impl Row {
    /// Validates the row and converts it to an example: no part may be blank but the split, which
    /// is then missing, and every slot must fit the text.
    pub(crate) fn check(
        mut self,
        source: &Source,
        columns: &Columns,
    ) -> Result<Example, TextError> {
        let parts = [
            (Some(&self.text), &columns.text),
            (self.pair.as_ref(), columns.pair.as_ref().unwrap_or(&columns.text)),
            (self.label.as_ref(), &columns.label),
        ];
        for (part, column) in parts {
            if part.is_some_and(|part| part.trim().is_empty()) {
                return Err(source.empty_field(self.line, column));
            }
        }
        self.slots.sort_by_key(|slot| slot.start);
        check_slots(&self.text, &self.slots).map_err(|problem| source.fault(self.line, problem))?;
        Ok(Example {
            origin: source.origin(self.line),
            content: Content::Text {
                text: self.text,
                pair: self.pair,
                label: self.label,
                slots: self.slots,
            },
            split: self.split.filter(|split| !split.trim().is_empty()),
            lacks_spans: self.lacks_spans,
        })
    }
}

/// Checks that sorted slots are inside the text, not empty, and do not overlap.
fn check_slots(text: &str, slots: &[Slot]) -> Result<(), LineProblem> {
    let n_chars = text.chars().count();
    let mut before: Option<&Slot> = None;
    for slot in slots {
        if slot.start >= slot.end || slot.end > n_chars {
            return Err(LineProblem::SlotRange {
                slot: slot.name.clone(),
                start: slot.start,
                end: slot.end,
                n_chars,
            });
        }
        if let Some(before) = before.filter(|before| before.end > slot.start) {
            return Err(LineProblem::SlotOverlap {
                first: before.name.clone(),
                second: slot.name.clone(),
            });
        }
        before = Some(slot);
    }
    Ok(())
}
