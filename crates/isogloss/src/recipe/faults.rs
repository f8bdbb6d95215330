//! Validation errors of a recipe, collected with line and column, and checks of single values.

use isogloss_methods::{LanguageSampling, faults};
use isogloss_text::LanguagePattern;

use super::positions::Positions;
use crate::RecipeFault;

/// Validation errors found so far. Entries are named by their path, such as
/// `optimizer.learning_rate` or `objective.1.weight`.
pub(crate) struct RecipeFaults<'a> {
    positions: &'a Positions,
    found: Vec<RecipeFault>,
}

impl<'a> RecipeFaults<'a> {
    /// Starts with the errors that parsing found.
    pub(super) fn new(positions: &'a Positions, found: Vec<RecipeFault>) -> Self {
        Self { positions, found }
    }

    /// Adds an error about an entry; the message begins with the entry's path.
    pub(super) fn add(&mut self, entry: &str, problem: impl std::fmt::Display) {
        self.add_message(entry, format!("{entry}: {problem}"));
    }

    /// Adds a message without a prefix, at the position of an entry; none if its parsing failed.
    pub(super) fn add_message(&mut self, entry: &str, message: impl Into<String>) {
        if self.positions.is_removed(entry) {
            return;
        }
        self.found.push(self.positions.fault(entry, message));
    }

    /// Adds the validation errors of a table that another crate defines, by field.
    pub(super) fn add_fields(
        &mut self,
        table: &str,
        faults: impl IntoIterator<Item = (impl std::fmt::Display, String)>,
    ) {
        for (field, problem) in faults {
            self.add(&format!("{table}.{field}"), problem);
        }
    }

    /// Adds the validation errors of a language sampling, whose fields are named in the message
    /// only.
    pub(super) fn sampling(&mut self, entry: &str, sampling: &LanguageSampling) {
        for (field, problem) in sampling.faults() {
            self.add_message(entry, format!("{entry}.{field}: {problem}"));
        }
    }

    /// Adds the error of a value, if it has one.
    fn add_value(&mut self, entry: &str, fault: Option<(&'static str, String)>) {
        if let Some((_, problem)) = fault {
            self.add(entry, problem);
        }
    }

    pub(super) fn at_least(&mut self, entry: &str, value: u64, least: u64) {
        self.add_value(entry, faults::at_least("", value, least));
    }

    pub(super) fn positive(&mut self, entry: &str, value: f64) {
        self.add_value(entry, faults::positive("", value));
    }

    pub(super) fn not_negative(&mut self, entry: &str, value: f64) {
        self.add_value(entry, faults::zero_or_more("", value));
    }

    /// Requires a value in `[0, 1)`, such as a dropout rate or a share of steps.
    pub(super) fn below_one(&mut self, entry: &str, value: f64) {
        self.add_value(entry, faults::below_one("", value));
    }

    /// Requires a path with `{language}`.
    pub(super) fn path_by_language(&mut self, entry: &str, path: &LanguagePattern) {
        if let Some(problem) = path.fault() {
            self.add(entry, problem);
        }
    }

    /// All errors in the order of the file, then those of the files that it extends.
    pub(super) fn into_sorted(mut self) -> Vec<RecipeFault> {
        self.found.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
        self.found.dedup();
        self.found
    }
}
