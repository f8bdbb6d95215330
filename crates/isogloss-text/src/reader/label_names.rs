//! Label names of numeric class labels (`ClassLabel` of HF datasets): maps class indices to names.

use crate::reader::options::ReadOptions;
use crate::source::Source;
use crate::{LineProblem, TextError};

/// Label names of numeric classes and tags, by class index.
#[derive(Clone, Copy)]
pub(crate) struct LabelNames<'a> {
    source: &'a Source,
    names: &'a [String],
}

impl<'a> LabelNames<'a> {
    /// The label names of the reader options.
    pub(crate) fn new(source: &'a Source, options: &'a ReadOptions) -> Self {
        Self { source, names: &options.label_names }
    }

    /// Whether there are no label names.
    pub(crate) fn is_empty(self) -> bool {
        self.names.is_empty()
    }

    /// Resolves the label of a class: as [`written`](Self::written), but a number that is no integer
    /// must be a label name itself. It is a score, or an integer of a table with gaps, which pandas
    /// writes as 1.0.
    pub(crate) fn class(
        self,
        line: usize,
        field: &str,
        label: String,
    ) -> Result<String, TextError> {
        if is_fraction(&label) && !self.names.contains(&label) {
            let field = field.to_owned();
            return Err(self
                .source
                .fault(line, LineProblem::FractionalClass { field, found: label }));
        }
        self.written(line, field, label)
    }

    /// Resolves a label: a class index to its label name, unless the number is a label name itself;
    /// any other label is unchanged.
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

/// Whether a text is a decimal number with a point, such as 0.25 or -1.0.
fn is_fraction(text: &str) -> bool {
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_prefix('-').unwrap_or(text).split_once('.') {
        Some((whole, rest)) => {
            !(whole.is_empty() && rest.is_empty()) && is_digits(whole) && is_digits(rest)
        }
        None => false,
    }
}
