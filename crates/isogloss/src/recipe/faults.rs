//! Faults of a recipe, gathered with their lines and columns, and checks of single values.

use isogloss_methods::{LanguageSampling, faults};
use isogloss_text::LanguagePattern;

use super::positions::Positions;
use crate::RecipeFault;

/// The faults found so far. Entries are named by their path, such as `optimizer.learning_rate` or
/// `objective.1.weight`.
pub(crate) struct RecipeFaults<'a> {
    positions: &'a Positions,
    found: Vec<RecipeFault>,
}

impl<'a> RecipeFaults<'a> {
    /// Goes on from those that reading the file has found.
    pub(super) fn new(positions: &'a Positions, found: Vec<RecipeFault>) -> Self {
        Self { positions, found }
    }

    /// Adds a problem of an entry; the message begins with the entry's path.
    pub(super) fn add(&mut self, entry: &str, problem: impl std::fmt::Display) {
        self.add_message(entry, format!("{entry}: {problem}"));
    }

    /// Adds a message as it is, at the position of an entry.
    pub(super) fn add_message(&mut self, entry: &str, message: impl Into<String>) {
        self.found.push(self.positions.fault(entry, message));
    }

    /// Adds the faults that a table of another crate finds in itself, by field.
    pub(super) fn add_fields(
        &mut self,
        table: &str,
        faults: impl IntoIterator<Item = (impl std::fmt::Display, String)>,
    ) {
        for (field, problem) in faults {
            self.add(&format!("{table}.{field}"), problem);
        }
    }

    /// Adds the faults of a way to draw languages, whose fields are named in the message only.
    pub(super) fn sampling(&mut self, entry: &str, sampling: &LanguageSampling) {
        for (field, problem) in sampling.faults() {
            self.add_message(entry, format!("{entry}.{field}: {problem}"));
        }
    }

    /// Adds the fault of a value, if it has one.
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

    /// A rate of dropout, a share of steps.
    pub(super) fn below_one(&mut self, entry: &str, value: f64) {
        self.add_value(entry, faults::below_one("", value));
    }

    /// A path with a file for each language.
    pub(super) fn path_by_language(&mut self, entry: &str, path: &LanguagePattern) {
        if let Some(problem) = path.fault() {
            self.add(entry, problem);
        }
    }

    /// All of them in the order of the file, then those of files that it extends.
    pub(super) fn into_sorted(mut self) -> Vec<RecipeFault> {
        self.found.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
        self.found.dedup();
        self.found
    }
}
