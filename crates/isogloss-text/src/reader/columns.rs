//! Column names: the fields or columns that hold the parts of an example.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[data.columns]` table of a recipe: the fields or columns that hold the parts of an example.
///
/// `text` to `split` name the fields of a JSON object or the columns in the header of a TSV or CSV
/// file; without a header they are zero-based numbers.
/// `label`, `slots` and `split` are optional as columns of the default name; a column of any other
/// name must exist.
///
/// ```
/// use isogloss_text::Columns;
///
/// let columns: Columns = serde_json::from_str(r#"{"text": "utt", "label": "intent"}"#).unwrap();
/// assert_eq!((columns.text.as_str(), columns.split.as_str()), ("utt", "split"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// The text.
    pub text: String,
    /// The second text of a pair; unset for single texts.
    pub pair: Option<String>,
    /// The class label.
    pub label: String,
    /// The slots (labeled spans) of the text, a list as in JSON Lines; in a table, the same list as
    /// a cell.
    pub slots: String,
    /// The split that the example belongs to.
    pub split: String,
    /// The word in a CoNLL file, a zero-based number; 0 means the second column if the first column
    /// numbers the words.
    pub word: usize,
    /// The tag: in a CoNLL file a zero-based number, or a name of its header or `# global.columns`,
    /// the last column when unset; `upos` or `xpos` in a CoNLL-U file, `upos` when unset; in JSON
    /// Lines the field of the tags of words, `ner_tags`, `tags` or `labels` when unset.
    pub tag: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            text: "text".into(),
            pair: None,
            label: "label".into(),
            slots: "slots".into(),
            split: "split".into(),
            word: 0,
            tag: None,
        }
    }
}

impl Columns {
    /// The optional columns besides the text, and whether they are required.
    pub(crate) fn optional(&self) -> Optional<'_> {
        let unless_default = |name, default| Named { name, required: name != default };
        Optional {
            pair: self.pair.as_deref().map(|name| Named { name, required: true }),
            label: unless_default(self.label.as_str(), "label"),
            slots: unless_default(self.slots.as_str(), "slots"),
            split: unless_default(self.split.as_str(), "split"),
        }
    }
}

/// Columns besides the text.
pub(crate) struct Optional<'a> {
    pub(crate) pair: Option<Named<'a>>,
    pub(crate) label: Named<'a>,
    pub(crate) slots: Named<'a>,
    pub(crate) split: Named<'a>,
}

/// Column name, and whether the column is required.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) required: bool,
}
