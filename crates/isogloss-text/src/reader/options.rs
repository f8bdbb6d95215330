//! Options of the readers: file format, columns, header and split.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TagScheme;
use crate::reader::columns::Columns;

/// The format of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line: a text, or words with their tags; slots are a list of `{"start": 0, "end": 4, "slot": "area"}`, counted in characters.
    Jsonl,
    /// One row a line, columns between tabs; cells may be quoted as pandas and `csv.writer` quote them.
    Tsv,
    /// Comma-separated values with quoting as in RFC 4180.
    Csv,
    /// One word and its tag a line, in columns between tabs or spaces; a blank line ends a sentence.
    Conll,
    /// The ten columns of Universal Dependencies, <https://universaldependencies.org/format.html>.
    Conllu,
}

impl Format {
    /// The format of a file by the extension of its name.
    ///
    /// ```
    /// use isogloss_text::Format;
    ///
    /// assert_eq!(Format::from_path("data/de.jsonl".as_ref()), Some(Format::Jsonl));
    /// assert_eq!(Format::from_path("README.md".as_ref()), None);
    /// ```
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" => Some(Self::Jsonl),
            "tsv" => Some(Self::Tsv),
            "csv" => Some(Self::Csv),
            "conll" | "bio" | "iob2" => Some(Self::Conll),
            "conllu" => Some(Self::Conllu),
            _ => None,
        }
    }
}

/// What quotes mean in TSV and CSV files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quoting {
    /// A cell that begins with a quote ends with one, and two in it stand for one, as in RFC 4180.
    #[default]
    Minimal,
    /// Nothing: they are text.
    None,
}

/// What a task reads beside the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Annotation {
    /// Whatever there is; tags are kept as they are written.
    #[default]
    Any,
    /// A tag for each word, kept as it is written.
    Tags,
    /// Spans: the tags of words become BIO, and a text without the field of its spans is an error.
    Spans,
}

/// Options of [`read_examples`](crate::read_examples).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadOptions {
    /// The format of the file.
    pub format: Format,
    /// The fields or columns of the parts of an example.
    #[serde(default)]
    pub columns: Columns,
    /// The split to keep; all examples when unset.
    #[serde(default)]
    pub split: Option<String>,
    /// Whether the first row of a TSV or CSV file names the columns.
    #[serde(default = "yes")]
    pub header: bool,
    /// What quotes mean in a TSV or CSV file.
    #[serde(default)]
    pub quoting: Quoting,
    /// What is read beside the text.
    #[serde(default)]
    pub annotation: Annotation,
    /// How the tags of words spell spans, where [`Annotation::Spans`] are read.
    #[serde(default)]
    pub tag_scheme: TagScheme,
    /// The names of classes and tags that files give as numbers, in the order of these; none where numbers are names.
    #[serde(default)]
    pub label_names: Vec<String>,
}

impl ReadOptions {
    /// Options for a format: the default columns, all splits, a header.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            columns: Columns::default(),
            split: None,
            header: true,
            quoting: Quoting::Minimal,
            annotation: Annotation::Any,
            tag_scheme: TagScheme::Detect,
            label_names: Vec::new(),
        }
    }

    /// Sets the fields or columns of the parts of an example.
    #[must_use]
    pub fn with_columns(mut self, columns: Columns) -> Self {
        self.columns = columns;
        self
    }

    /// Keeps only the examples of one split.
    #[must_use]
    pub fn with_split(mut self, split: impl Into<String>) -> Self {
        self.split = Some(split.into());
        self
    }

    /// Sets whether the first row of a table names the columns.
    #[must_use]
    pub fn with_header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// Sets what quotes mean in a table.
    #[must_use]
    pub fn with_quoting(mut self, quoting: Quoting) -> Self {
        self.quoting = quoting;
        self
    }

    /// Sets what is read beside the text.
    #[must_use]
    pub fn with_annotation(mut self, annotation: Annotation) -> Self {
        self.annotation = annotation;
        self
    }

    /// Sets how the tags of words spell spans.
    #[must_use]
    pub fn with_tag_scheme(mut self, scheme: TagScheme) -> Self {
        self.tag_scheme = scheme;
        self
    }

    /// Names the classes and tags that files give as numbers.
    #[must_use]
    pub fn with_label_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.label_names = names.into_iter().map(Into::into).collect();
        self
    }
}

fn yes() -> bool {
    true
}
