//! Data hash: a hash of test data by content, by which a report tells test sets apart.

use isogloss_model::Fingerprint;
use isogloss_text::{Content, Example, SentencePair};

/// Data hash of labeled examples: of their texts and gold labels, in order.
pub(super) fn hash_of_examples(examples: &[Example]) -> String {
    let mut fields = Fields::default();
    for Example { content, .. } in examples {
        match content {
            Content::Text { text, pair, label, slots } => {
                fields.add([Some(text), pair.as_ref(), label.as_ref()]);
                for slot in slots {
                    let [start, end] = [slot.start, slot.end].map(|at| at.to_string());
                    fields.add([Some(&start), Some(&end), Some(&slot.name)]);
                }
            }
            Content::Words { words, tags } => {
                fields.add(words.iter().chain(tags).map(Some));
            }
            Content::Tree(sentence) => fields.add([Some(&sentence.to_string())]),
        }
    }
    fields.hash()
}

/// Data hash of sentence pairs: of both texts of each, in order.
pub(super) fn hash_of_pairs(pairs: &[SentencePair]) -> String {
    let mut fields = Fields::default();
    pairs.iter().for_each(|pair| fields.add([Some(&pair.left), Some(&pair.right)]));
    fields.hash()
}

/// Bytes to hash: fields with their lengths, so that no two lists of fields have the same bytes.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    /// Adds the fields of one record.
    fn add<'a>(&mut self, fields: impl IntoIterator<Item = Option<&'a String>>) {
        for field in fields {
            let length = field.map_or(u64::MAX, |field| field.len() as u64);
            self.0.extend(length.to_le_bytes());
            self.0.extend(field.into_iter().flat_map(|field| field.bytes()));
        }
        self.0.extend((u64::MAX - 1).to_le_bytes());
    }

    fn hash(&self) -> String {
        Fingerprint::from_bytes(&self.0).hash().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use isogloss_text::Origin;

    use super::*;

    fn words(words: [&str; 2], tags: [&str; 2]) -> Example {
        let own = |list: [&str; 2]| list.map(str::to_owned).to_vec();
        Example {
            origin: Origin { path: Path::new("a.conll").into(), line: 1 },
            content: Content::Words { words: own(words), tags: own(tags) },
            split: None,
            lacks_spans: false,
        }
    }

    #[test]
    fn texts_and_labels_decide_and_places_do_not() {
        let first = words(["in", "Ulm"], ["O", "B-x"]);
        let mut elsewhere = first.clone();
        elsewhere.origin = Origin { path: Path::new("b.conll").into(), line: 7 };
        let hash = |example: &Example| hash_of_examples(std::slice::from_ref(example));
        assert_eq!(hash(&first), hash(&elsewhere));
        for other in [
            words(["in", "Ulm"], ["O", "B-y"]),
            words(["in", "Köln"], ["O", "B-x"]),
            words(["inU", "lm"], ["O", "B-x"]),
        ] {
            assert_ne!(hash(&first), hash(&other), "{other:?}");
        }
        assert_ne!(hash(&first), hash_of_examples(&[first.clone(), first.clone()]));
    }
}
