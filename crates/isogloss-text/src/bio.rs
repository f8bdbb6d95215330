//! BIO tags (IOB2): spans of a text as one tag per word or subword (Ramshaw and Marcus 1995).

use std::fmt;
use std::str::FromStr;

use crate::{Slot, TextError};

/// BIO (IOB2) tag of a unit, a word or a subword: outside, begin or inside of a span.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Bio {
    /// Outside of all spans, written `O`.
    Outside,
    /// The first unit of a span of this name, written `B-<name>`.
    Begin(String),
    /// A later unit of a span of this name, written `I-<name>`.
    Inside(String),
}

impl FromStr for Bio {
    type Err = TextError;

    fn from_str(tag: &str) -> Result<Self, TextError> {
        match tag.split_once('-') {
            Some(("B", name)) if !name.is_empty() => Ok(Self::Begin(name.to_owned())),
            Some(("I", name)) if !name.is_empty() => Ok(Self::Inside(name.to_owned())),
            None if tag == "O" => Ok(Self::Outside),
            _ => Err(TextError::InvalidBio { tag: tag.to_owned() }),
        }
    }
}

impl fmt::Display for Bio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("O"),
            Self::Begin(name) => write!(f, "B-{name}"),
            Self::Inside(name) => write!(f, "I-{name}"),
        }
    }
}

/// Converts spans to BIO tags: the tag of each unit, a word or a token, from the slots of a text.
///
/// Units and slots are character spans, `start..end`.
/// A unit belongs to the slot with which it shares the most characters, the first on a tie; a
/// zero-width unit belongs to none.
/// A slot without units gives no tag, see [`SpanMisfits`](crate::SpanMisfits).
///
/// ```
/// use isogloss_text::{Bio, Slot, bio_labels, whitespace_words};
///
/// let text = "dim the living room";
/// let slots = [Slot { start: 8, end: 19, name: "area".into() }];
/// let tags: Vec<String> = bio_labels(&whitespace_words(text), &slots).iter().map(Bio::to_string).collect();
/// assert_eq!(tags, ["O", "O", "B-area", "I-area"]);
/// ```
pub fn bio_labels(units: &[(usize, usize)], slots: &[Slot]) -> Vec<Bio> {
    let mut begun = vec![false; slots.len()];
    let mut tag = |unit: &(usize, usize)| {
        let Some(owner) = slot_of(unit, slots) else { return Bio::Outside };
        let name = slots[owner].name.clone();
        if std::mem::replace(&mut begun[owner], true) {
            Bio::Inside(name)
        } else {
            Bio::Begin(name)
        }
    };
    units.iter().map(&mut tag).collect()
}

/// Whether each slot has a tag among those of the units, see [`bio_labels`].
pub(crate) fn is_tagged(units: &[(usize, usize)], slots: &[Slot]) -> Vec<bool> {
    let mut tagged = vec![false; slots.len()];
    for owner in units.iter().filter_map(|unit| slot_of(unit, slots)) {
        tagged[owner] = true;
    }
    tagged
}

/// Index of the slot that a unit belongs to.
fn slot_of(&(start, end): &(usize, usize), slots: &[Slot]) -> Option<usize> {
    let mut most = 0;
    let mut owner = None;
    for (at, slot) in slots.iter().enumerate() {
        let shared = end.min(slot.end).saturating_sub(start.max(slot.start));
        if shared > most {
            most = shared;
            owner = Some(at);
        }
    }
    owner
}

/// Whitespace tokenization: the words of a text, as character spans.
///
/// ```
/// assert_eq!(isogloss_text::whitespace_words(" läuft 🎵 nicht"), [(1, 6), (7, 8), (9, 14)]);
/// ```
pub fn whitespace_words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    let mut n_chars = 0;
    for (idx, c) in text.chars().enumerate() {
        n_chars = idx + 1;
        if !c.is_whitespace() {
            start.get_or_insert(idx);
        } else if let Some(start) = start.take() {
            words.push((start, idx));
        }
    }
    words.extend(start.map(|start| (start, n_chars)));
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bio, bio_labels, whitespace_words};
    use crate::Slot;

    fn slot(start: usize, end: usize, name: &str) -> Slot {
        Slot { start, end, name: name.into() }
    }

    fn tags(units: &[(usize, usize)], slots: &[Slot]) -> Vec<String> {
        bio_labels(units, slots).iter().map(Bio::to_string).collect()
    }

    #[test]
    fn tags_read_back_as_written() {
        for tag in ["O", "B-area", "I-area", "B-a-b"] {
            assert_eq!(tag.parse::<Bio>().unwrap().to_string(), tag);
        }
        for tag in ["", "B", "B-", "I-", "o", "O-x", "NOUN", "S-x"] {
            assert!(tag.parse::<Bio>().is_err(), "{tag:?} was taken");
        }
    }

    #[test]
    fn adjacent_slots_of_one_name_begin_twice() {
        let slots = [slot(0, 2, "x"), slot(2, 4, "x")];
        assert_eq!(tags(&[(0, 1), (1, 2), (2, 3), (3, 4)], &slots), ["B-x", "I-x", "B-x", "I-x"]);
    }

    #[test]
    fn a_unit_takes_the_slot_it_shares_most_with() {
        let slots = [slot(0, 2, "a"), slot(2, 6, "b")];
        assert_eq!(tags(&[(0, 5), (5, 6)], &slots), ["B-b", "I-b"]);
        assert_eq!(tags(&[(0, 4)], &slots), ["B-a"], "the first slot wins a tie");
    }

    #[test]
    fn units_of_no_width_and_units_beside_a_slot_are_outside() {
        assert_eq!(tags(&[(3, 3), (0, 2), (4, 9)], &[slot(2, 4, "a")]), ["O", "O", "O"]);
    }

    #[test]
    fn words_are_counted_in_characters() {
        // Two regional indicators make one flag, e and U+0301 make one letter: each is two
        // characters.
        assert_eq!(
            whitespace_words("🇩🇪 e\u{301}t\u{3000}打开 灯\n"),
            [(0, 2), (3, 6), (7, 9), (10, 11)]
        );
        assert_eq!(whitespace_words(" \t"), []);
    }

    proptest! {
        #[test]
        fn words_hold_every_visible_character(text in "\\PC{0,20}|[a🎵\u{301} 灯\t]{0,20}") {
            let chars: Vec<char> = text.chars().collect();
            let joined: String = whitespace_words(&text).iter().flat_map(|&(start, end)| chars[start..end].to_vec()).collect();
            prop_assert_eq!(joined, text.split_whitespace().collect::<String>());
        }
    }
}
