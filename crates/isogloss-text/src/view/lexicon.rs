//! Words or texts and what they may be replaced with.

use std::borrow::Cow;
use std::ops::Range;

/// Keys and their values, all in a few long strings.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    /// Sorted.
    keys: Strings,
    /// The number of values of all keys up to each key.
    ends: Vec<usize>,
    values: Strings,
}

impl Lexicon {
    /// Joins the values of each key, in the order in which they come, each once.
    pub(crate) fn new(mut entries: Vec<(Cow<'_, str>, &str)>) -> Self {
        // The sort is stable.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut lexicon = Self::default();
        for entries in entries.chunk_by(|(a, _), (b, _)| a == b) {
            let first = lexicon.values.len();
            for &(_, value) in entries {
                let known = first..lexicon.values.len();
                if !known.into_iter().any(|idx| lexicon.values.get(idx) == value) {
                    lexicon.values.push(value);
                }
            }
            if let Some((key, _)) = entries.first() {
                lexicon.keys.push(key);
                lexicon.ends.push(lexicon.values.len());
            }
        }
        lexicon
    }

    /// The places of the values of a key, at least one.
    pub(crate) fn find(&self, key: &str) -> Option<Range<usize>> {
        let (mut low, mut high) = (0, self.keys.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.keys.get(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let start = middle.checked_sub(1).and_then(|before| self.ends.get(before));
                    return Some(start.copied().unwrap_or(0)..*self.ends.get(middle)?);
                }
            }
        }
        None
    }

    /// The value at a place.
    pub(crate) fn value(&self, idx: usize) -> &str {
        self.values.get(idx)
    }

    /// The values of all keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        (0..self.values.len()).map(|idx| self.values.get(idx))
    }

    /// The number of keys.
    #[cfg(test)]
    pub(crate) fn n_keys(&self) -> usize {
        self.keys.len()
    }
}

/// Strings one after the other.
#[derive(Debug, Default)]
struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    fn push(&mut self, string: &str) {
        self.text.push_str(string);
        self.ends.push(self.text.len());
    }

    /// The string at a place, empty where there is none.
    fn get(&self, idx: usize) -> &str {
        let start = idx.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(idx).copied();
        end.and_then(|end| self.text.get(start.unwrap_or(0)..end)).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Lexicon;

    proptest! {
        #[test]
        fn a_lexicon_is_a_map_of_lists(entries in prop::collection::vec(("[a-c灯]{0,3}", "[x-z]{0,2}"), 0..40)) {
            let mut map: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (key, value) in &entries {
                let values = map.entry(key).or_default();
                if !values.contains(&value.as_str()) {
                    values.push(value);
                }
            }
            let lexicon = Lexicon::new(entries.iter().map(|(key, value)| (key.into(), value.as_str())).collect());
            prop_assert_eq!(lexicon.n_keys(), map.len());
            for (key, values) in map {
                let found: Vec<&str> = lexicon.find(key).unwrap().map(|idx| lexicon.value(idx)).collect();
                prop_assert_eq!(found, values);
            }
            prop_assert_eq!(lexicon.find("nothing"), None);
        }
    }
}
