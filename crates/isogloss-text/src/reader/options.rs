//! Options of the readers: file format, columns, header and split.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reader::columns::Columns;

/// The format of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line; slots are a list of `{"start": 0, "end": 4, "slot": "area"}`, counted in characters.
    Jsonl,
    /// One row a line, columns between tabs; quotes have no meaning.
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
}

impl ReadOptions {
    /// Options for a format: the default columns, all splits, a header.
    pub fn new(format: Format) -> Self {
        Self { format, columns: Columns::default(), split: None, header: true }
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
}

fn yes() -> bool {
    true
}
