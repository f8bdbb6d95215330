//! Reader options: file format, columns, header, quoting, tag scheme and split.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TagScheme;
use crate::reader::columns::{Columns, Named, Optional};

/// File format of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON Lines: one JSON object per line, a text, or words with their tags; slots are a list of
    /// `{"start": 0, "end": 4, "slot": "area"}`, counted in characters.
    Jsonl,
    /// Tab-separated values, one row per line; cells may be quoted as pandas and `csv.writer` quote
    /// them.
    Tsv,
    /// Comma-separated values with quoting as in RFC 4180.
    Csv,
    /// CoNLL: one word and its tag per line, in columns separated by tabs or spaces; a blank line
    /// ends a sentence. CoNLL-U Plus, `.conllup`, names its columns in `# global.columns`.
    Conll,
    /// CoNLL-U: the ten columns of Universal Dependencies,
    /// <https://universaldependencies.org/format.html>.
    Conllu,
}

impl Format {
    /// Detects the format of a file by its extension.
    ///
    /// ```
    /// use isogloss_text::Format;
    ///
    /// assert_eq!(Format::from_path("data/de.jsonl".as_ref()), Some(Format::Jsonl));
    /// assert_eq!(Format::from_path("README.md".as_ref()), None);
    /// assert_eq!(Format::from_path("de.conllup".as_ref()), Some(Format::Conll));
    /// assert_eq!(Format::from_path("de.v4_gold_conll".as_ref()), Some(Format::Conll));
    /// ```
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" => Some(Self::Jsonl),
            "tsv" => Some(Self::Tsv),
            "csv" => Some(Self::Csv),
            "conll" | "bio" | "iob2" | "conllup" => Some(Self::Conll),
            "conllu" => Some(Self::Conllu),
            // OntoNotes: `wsj_0001.v4_gold_conll`.
            other if other.ends_with("_conll") => Some(Self::Conll),
            _ => None,
        }
    }

    /// The extensions that tell a format, for messages.
    pub const EXTENSIONS: &'static str =
        ".jsonl, .tsv, .csv, .conll, .bio, .iob2, .conllup or .conllu";
}

/// Quoting in TSV and CSV files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quoting {
    /// Quoted cells as in RFC 4180: a cell that begins with a quote ends with one, and two quotes
    /// inside it stand for one.
    #[default]
    Minimal,
    /// No quoting: quotes are plain text.
    None,
}

/// Annotation that a task reads besides the text: a class, tags or spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Annotation {
    /// Any annotation; tags are kept unchanged.
    #[default]
    Any,
    /// None: words are read wherever they are, whatever their tags.
    Text,
    /// A class label: a name or the number of a class. Another number, such as 0.5, is an error,
    /// unless it is a string of JSON Lines or one of the label names.
    Class,
    /// A tag for each word, kept unchanged, as in part-of-speech tagging.
    Tags,
    /// Spans, as in named-entity recognition: the tags of words are converted to BIO, and a text
    /// without the span field is an error.
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
    /// The quoting in a TSV or CSV file.
    #[serde(default)]
    pub quoting: Quoting,
    /// The annotation to read besides the text.
    #[serde(default)]
    pub annotation: Annotation,
    /// The tag scheme of words, if [`Annotation::Spans`] are read.
    #[serde(default)]
    pub tag_scheme: TagScheme,
    /// Label names of numeric classes and tags, by class index; empty if numbers are label names
    /// themselves.
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

    /// Sets the quoting in a table.
    #[must_use]
    pub fn with_quoting(mut self, quoting: Quoting) -> Self {
        self.quoting = quoting;
        self
    }

    /// Sets the annotation to read besides the text.
    #[must_use]
    pub fn with_annotation(mut self, annotation: Annotation) -> Self {
        self.annotation = annotation;
        self
    }

    /// Sets the tag scheme of words.
    #[must_use]
    pub fn with_tag_scheme(mut self, scheme: TagScheme) -> Self {
        self.tag_scheme = scheme;
        self
    }

    /// Sets the label names of numeric classes and tags.
    #[must_use]
    pub fn with_label_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.label_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// The columns besides the text that the options ask for, and whether they are required.
    ///
    /// What neither the task nor a split needs is not asked for, so that a file without it can be
    /// read by the settings of another file.
    pub(crate) fn optional_columns(&self) -> Optional<'_> {
        let (columns, default) = (&self.columns, Columns::default());
        let annotation = self.annotation;
        let label = Named {
            name: &columns.label,
            required: annotation == Annotation::Class || columns.label != default.label,
            key: Some("label"),
        };
        let slots = Named {
            name: &columns.slots,
            required: annotation == Annotation::Spans || columns.slots != default.slots,
            key: Some("slots"),
        };
        let split = Named {
            name: &columns.split,
            required: self.split.is_some() && columns.split != default.split,
            key: Some("split"),
        };
        Optional {
            pair: columns.pair.as_deref().map(|name| Named {
                name,
                required: true,
                key: Some("pair"),
            }),
            label: (!matches!(annotation, Annotation::Spans | Annotation::Text)).then_some(label),
            slots: (annotation != Annotation::Class).then_some(slots),
            split,
        }
    }
}

fn yes() -> bool {
    true
}
