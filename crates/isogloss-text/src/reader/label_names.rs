//! Label names of numeric class labels (`ClassLabel` of HF datasets): maps class indices to names.

use crate::reader::options::ReadOptions;
use crate::source::Source;
use crate::{LineProblem, TextError};

/// Label names of numeric classes and tags, by class index.
pub(crate) struct LabelNames<'a> {
    source: &'a Source,
    names: &'a [String],
    /// The first label of the file that is the number of a class, and the first that is a name, with
    /// their lines.
    first: [Option<(String, usize)>; 2],
}

impl<'a> LabelNames<'a> {
    /// The label names of the reader options.
    pub(crate) fn new(source: &'a Source, options: &'a ReadOptions) -> Self {
        Self { source, names: &options.label_names, first: [None, None] }
    }

    /// Resolves the label of a class: as [`one_kind`](Self::one_kind), but a number that is no integer
    /// must be a label name itself. It is a score, or an integer of a table with gaps, which pandas
    /// writes as 1.0.
    pub(crate) fn class(
        &mut self,
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
        self.one_kind(line, field, label)
    }

    /// Resolves a label, as [`written`](Self::written), and refuses a file with labels that are
    /// numbers of classes and labels that are names: a number among names is a slip, such as 0 for O,
    /// or the name of a class that is not known.
    pub(crate) fn one_kind(
        &mut self,
        line: usize,
        field: &str,
        label: String,
    ) -> Result<String, TextError> {
        let name = self.written(line, field, label.clone())?;
        // A name that is its own number says the same either way.
        if label.parse().is_ok_and(|number: usize| self.names.get(number) == Some(&label)) {
            return Ok(name);
        }
        let [first_number, first_name] = &mut self.first;
        let (own, other) = match name == label {
            true => (first_name, first_number),
            false => (first_number, first_name),
        };
        if let Some((other, other_line)) = other {
            let (other, other_line) = (other.clone(), *other_line);
            let problem = LineProblem::NumbersAndNames { label, other, other_line };
            return Err(self.source.fault(line, problem));
        }
        own.get_or_insert_with(|| (label, line));
        Ok(name)
    }

    /// Resolves a label: a class index to its label name, unless the number is a label name itself;
    /// any other label is unchanged.
    pub(crate) fn written(
        &self,
        line: usize,
        field: &str,
        label: String,
    ) -> Result<String, TextError> {
        let digits = label.strip_prefix('-').unwrap_or(&label);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if self.names.is_empty() || !is_number || self.names.contains(&label) {
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

#[cfg(test)]
mod tests {
    use crate::{Annotation, Content, Example, Format, ReadOptions, TextError, read_examples};

    fn read(data: &str, options: &ReadOptions) -> Result<Vec<Example>, TextError> {
        read_examples(data.as_bytes(), "x.tsv".as_ref(), options)
    }

    fn message(data: &str, options: &ReadOptions) -> String {
        read(data, options).unwrap_err().to_string()
    }

    #[test]
    fn numbers_of_classes_are_named() {
        let options = ReadOptions::new(Format::Tsv).with_label_names(["off", "on"]);
        let label = |data: &str| match &read(data, &options).unwrap()[0].content {
            Content::Text { label, .. } => label.clone().unwrap(),
            Content::Words { .. } | Content::Tree(_) => String::new(),
        };
        assert_eq!(label("text\tlabel\na\t1\n"), "on");
        assert_eq!(label("text\tlabel\na\toff\n"), "off");
        assert_eq!(
            message("text\tlabel\na\t2\n", &options),
            "x.tsv:2: \"label\" holds class 2, of 2 that have names"
        );
        assert_eq!(
            message("text\tlabel\na\t-1\n", &options),
            "x.tsv:2: \"label\" holds class -1, of 2 that have names"
        );
    }

    /// As tags are: a number among names is the name of a class that the model lacks, or a slip.
    #[test]
    fn numbers_among_names_of_classes_are_refused() {
        let read_labels = |names: &[&str], labels: &str| {
            let options = ReadOptions::new(Format::Tsv).with_annotation(Annotation::Class);
            let rows = labels.split(' ').map(|label| format!("a\t{label}\n"));
            let data = format!("text\tlabel\n{}", rows.collect::<String>());
            let found = read(&data, &options.with_label_names(names.iter().copied()));
            found.map(|examples| examples.len()).map_err(|error| error.to_string())
        };
        let both = |label: &str, other: &str| {
            Err(format!(
                "x.tsv:3: label {label:?}, and {other:?} in line 2: one is the number of a class, the other a name"
            ))
        };
        assert_eq!(read_labels(&["off", "on"], "1 off"), both("off", "1"));
        assert_eq!(read_labels(&["off", "on"], "off 1"), both("1", "off"));
        assert_eq!(read_labels(&["off", "on"], "1 0"), Ok(2));
        // A name that is the number of another class: 1 may be either of them.
        assert_eq!(read_labels(&["1", "good"], "0 1"), both("1", "0"));
        assert_eq!(read_labels(&["1", "good"], "1 good"), Ok(2));
        // Names that are their own numbers, and files without names of numbers.
        assert_eq!(read_labels(&["none", "1", "2"], "0 1 2"), Ok(3));
        assert_eq!(read_labels(&["none", "1", "2"], "none 1 2"), Ok(3));
        assert_eq!(read_labels(&[], "2 good"), Ok(2));
    }

    #[test]
    fn a_score_is_no_class() {
        let read_label = |label: &str, names: &[&str], annotation: Annotation| {
            let options = ReadOptions::new(Format::Tsv).with_annotation(annotation);
            let options = options.with_label_names(names.iter().copied());
            let data = format!("text\tlabel\nan\t1\naus\t{label}\n");
            read(&data, &options).map(|_| ()).map_err(|error| error.to_string())
        };
        for label in ["1.0", "0.25", "-3.5", ".5", "2."] {
            let message = read_label(label, &[], Annotation::Class).unwrap_err();
            let expected = format!("found {label}; data.label_names");
            assert!(message.starts_with("x.tsv:3: \"label\" must be"), "{message}");
            assert!(message.contains(&expected), "{message}");
            // Names of classes may look like numbers, and other tasks do not read the column.
            assert_eq!(read_label(label, &["1", label], Annotation::Class), Ok(()));
            assert_eq!(read_label(label, &[], Annotation::Any), Ok(()));
        }
        for label in ["0", "-1", "v1.0", "1.0.2", ".", "1,5", "on"] {
            assert_eq!(read_label(label, &[], Annotation::Class), Ok(()), "{label}");
        }
    }
}
