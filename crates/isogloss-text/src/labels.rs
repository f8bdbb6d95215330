//! Label sets: label names and their ids, `label2id` and `id2label`.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::nearest::nearest;
use crate::treebank::{NO_VALUE, Sentence, Subtypes};
use crate::{Bio, Content, Example, TextError};

/// Label set (`label2id` and `id2label`): an ordered set of label names; the id of a name is its
/// index.
///
/// ```
/// use isogloss_text::LabelSet;
///
/// let labels = LabelSet::new(["no", "yes"])?;
/// assert_eq!(labels.id("yes"), Some(1));
/// assert_eq!(labels.name(0), Some("no"));
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LabelSet {
    names: Vec<String>,
    ids: HashMap<String, u32>,
}

impl LabelSet {
    /// Creates a label set of these names, in this order.
    ///
    /// # Errors
    /// [`TextError::DuplicateLabel`] if a name is repeated.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, TextError> {
        let mut labels = Self::default();
        for name in names {
            let name = name.into();
            let id = u32::try_from(labels.names.len())
                .expect("label names fit in memory, so their ids fit in u32");
            if labels.ids.insert(name.clone(), id).is_some() {
                return Err(TextError::DuplicateLabel { label: name });
            }
            labels.names.push(name);
        }
        Ok(labels)
    }

    /// Collects the class labels of examples, sorted.
    pub fn classes<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Self {
        let names = examples.into_iter().filter_map(|example| match &example.content {
            Content::Text { label, .. } => label.clone(),
            Content::Words { .. } | Content::Tree(_) => None,
        });
        Self::sorted(names.collect())
    }

    /// Collects the tags of examples for token classification, sorted.
    ///
    /// A slot gives `B-<name>`, `I-<name>` and `O`; a word gives its tag.
    /// A tag `B-<name>` or `I-<name>` adds the other one too, because another language may split
    /// the same span into more units.
    pub fn tags<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Self {
        let mut names = BTreeSet::new();
        let add_span = |name: &str, names: &mut BTreeSet<String>| {
            names.insert(Bio::Begin(name.to_owned()).to_string());
            names.insert(Bio::Inside(name.to_owned()).to_string());
        };
        for example in examples {
            match &example.content {
                Content::Tree(_) => {}
                Content::Text { slots, .. } => {
                    names.insert(Bio::Outside.to_string());
                    slots.iter().for_each(|slot| add_span(&slot.name, &mut names));
                }
                Content::Words { tags, .. } => {
                    for tag in tags {
                        match tag.parse() {
                            Ok(Bio::Begin(name) | Bio::Inside(name)) => add_span(&name, &mut names),
                            _ => {
                                names.insert(tag.clone());
                            }
                        }
                    }
                }
            }
        }
        Self::sorted(names)
    }

    /// Collects the dependency relations (DEPREL) of sentences, with or without their subtypes,
    /// sorted; words without a relation are skipped.
    pub fn deprels<'a>(
        sentences: impl IntoIterator<Item = &'a Sentence>,
        subtypes: Subtypes,
    ) -> Self {
        let words = sentences.into_iter().flat_map(Sentence::words);
        let deprels =
            words.map(|word| subtypes.apply(&word.deprel)).filter(|name| *name != NO_VALUE);
        Self::sorted(deprels.map(str::to_owned).collect())
    }

    /// Collects the universal part-of-speech tags (UPOS) of sentences, sorted; words without a tag
    /// are skipped.
    pub fn upos<'a>(sentences: impl IntoIterator<Item = &'a Sentence>) -> Self {
        let words = sentences.into_iter().flat_map(Sentence::words);
        let tags = words.map(|word| word.upos.as_str()).filter(|name| *name != NO_VALUE);
        Self::sorted(tags.map(str::to_owned).collect())
    }

    /// The id of a label name (`label2id`).
    pub fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// The label name of an id (`id2label`).
    pub fn name(&self, id: u32) -> Option<&str> {
        self.names.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    /// All names in the order of their ids.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of labels.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Did-you-mean suggestion: the known name most similar to `name`; `None` if none is similar.
    pub fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.names.iter().map(String::as_str))
    }

    fn sorted(names: BTreeSet<String>) -> Self {
        Self::new(names).expect("a set holds no name twice")
    }
}

impl TryFrom<Vec<String>> for LabelSet {
    type Error = TextError;

    fn try_from(names: Vec<String>) -> Result<Self, TextError> {
        Self::new(names)
    }
}

impl From<LabelSet> for Vec<String> {
    fn from(labels: LabelSet) -> Self {
        labels.names
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::LabelSet;
    use crate::{Content, Example, Origin, Slot, Subtypes, read_treebank};

    fn example(content: Content) -> Example {
        let path = Path::new("data.jsonl").into();
        Example { origin: Origin { path, line: 1 }, content, split: None, lacks_spans: false }
    }

    fn text(label: Option<&str>, slots: Vec<Slot>) -> Example {
        example(Content::Text {
            text: "on".into(),
            pair: None,
            label: label.map(Into::into),
            slots,
        })
    }

    #[test]
    fn classes_are_sorted_and_unlabeled_examples_add_none() {
        let examples = [
            text(Some("b"), vec![]),
            text(None, vec![]),
            text(Some("a"), vec![]),
            text(Some("b"), vec![]),
        ];
        assert_eq!(LabelSet::classes(&examples).names(), ["a", "b"]);
    }

    #[test]
    fn slots_give_both_bio_tags() {
        let slot = Slot { start: 0, end: 2, name: "area".into() };
        assert_eq!(LabelSet::tags(&[text(None, vec![slot])]).names(), ["B-area", "I-area", "O"]);
    }

    #[test]
    fn word_tags_are_kept_and_spans_completed() {
        let content = Content::Words {
            words: ["Bonn", "liegt"].map(String::from).to_vec(),
            tags: ["I-LOC", "VERB"].map(String::from).to_vec(),
        };
        assert_eq!(LabelSet::tags(&[example(content)]).names(), ["B-LOC", "I-LOC", "VERB"]);
    }

    #[test]
    fn relations_are_gathered_with_and_without_subtypes() {
        let rows: String = ["acl:relcl", "root", "acl", "_", "nsubj:pass"]
            .iter()
            .zip(1..)
            .map(|(deprel, id)| format!("{id}\ta\t_\t_\t_\t_\t_\t{deprel}\t_\t_\n"))
            .collect();
        let sentences = read_treebank(rows.as_bytes(), "x.conllu".as_ref()).unwrap().sentences;
        assert_eq!(
            LabelSet::deprels(&sentences, Subtypes::Keep).names(),
            ["acl", "acl:relcl", "nsubj:pass", "root"]
        );
        assert_eq!(LabelSet::deprels(&sentences, Subtypes::Cut).names(), ["acl", "nsubj", "root"]);
    }

    #[test]
    fn serde_is_the_plain_list_of_names() {
        let labels = LabelSet::new(["z", "a"]).unwrap();
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"["z","a"]"#);
        assert_eq!(serde_json::from_str::<LabelSet>(&json).unwrap(), labels);
        assert!(serde_json::from_str::<LabelSet>(r#"["a","a"]"#).is_err());
    }
}
