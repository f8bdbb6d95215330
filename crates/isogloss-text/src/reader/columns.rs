//! Column names: the fields or columns that hold the parts of an example.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The `[data.columns]` table of a recipe: the fields or columns that hold the parts of an example.
///
/// `text` to `split` name the fields of a JSON object or the columns in the header of a TSV or CSV
/// file; without a header they are zero-based numbers.
/// `label`, `slots` and `split` are optional as columns of the default name; a column of any other
/// name must exist if it is needed: `label` unless spans are read, and always for classes, `slots`
/// unless classes are read, and `split` if a split is selected.
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
    /// The second text of a pair; unset, or `""` in a recipe that extends one with pairs, for single
    /// texts.
    #[serde(deserialize_with = "name_unless_empty")]
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
    /// when unset `UPOS` for parts of speech where columns are named, and else the last; `upos` or
    /// `xpos` in a CoNLL-U file, `upos` when unset; in JSON
    /// Lines the field of the tags of words, `ner_tags`, `tags` or `labels` when unset.
    pub tag: Option<String>,
}

/// A name; `None` for an empty one.
fn name_unless_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name = Option::<String>::deserialize(from)?;
    Ok(name.filter(|name| !name.is_empty()))
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
    /// The names of a file that may be meant by a column: all but those of the other columns.
    pub(crate) fn free_names<'a>(
        &self,
        column: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = &'a str> {
        let Self { text, pair, label, slots, split, .. } = self;
        let all = [Some(text), pair.as_ref(), Some(label), Some(slots), Some(split)];
        let others = all.into_iter().flatten().map(String::as_str);
        let others: Vec<&str> = others.filter(|name| *name != column).collect();
        names.filter(move |name| !others.contains(name))
    }
}

/// Columns besides the text; `None` for one that is not read.
pub(crate) struct Optional<'a> {
    pub(crate) pair: Option<Named<'a>>,
    pub(crate) label: Option<Named<'a>>,
    pub(crate) slots: Option<Named<'a>>,
    pub(crate) split: Named<'a>,
}

/// Column name, and whether the column is required.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) required: bool,
    /// The key of `data.columns` in a recipe that says which column it is, for a hint.
    pub(crate) key: Option<&'static str>,
}
