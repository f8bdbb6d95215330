//! Labels that files give as numbers: the name of each class.

use crate::reader::options::ReadOptions;
use crate::source::Source;
use crate::{LineProblem, TextError};

/// The names of classes and tags by their numbers.
#[derive(Clone, Copy)]
pub(crate) struct LabelNames<'a> {
    source: &'a Source,
    names: &'a [String],
}

impl<'a> LabelNames<'a> {
    /// Those of the options.
    pub(crate) fn new(source: &'a Source, options: &'a ReadOptions) -> Self {
        Self { source, names: &options.label_names }
    }

    /// Whether numbers have names.
    pub(crate) fn is_empty(self) -> bool {
        self.names.is_empty()
    }

    /// The name of a label as it is written: that of its class where it is a number, and no name itself.
    pub(crate) fn written(
        self,
        line: usize,
        field: &str,
        label: String,
    ) -> Result<String, TextError> {
        let digits = label.strip_prefix('-').unwrap_or(&label);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if self.is_empty() || !is_number || self.names.contains(&label) {
            return Ok(label);
        }
        let name = label.parse::<usize>().ok().and_then(|number| self.names.get(number));
        name.cloned().ok_or_else(|| {
            let (field, n_names) = (field.to_owned(), self.names.len());
            self.source.fault(line, LineProblem::ClassNumber { field, found: label, n_names })
        })
    }
}
