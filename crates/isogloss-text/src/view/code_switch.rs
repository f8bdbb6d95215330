//! Words put into other languages.

use std::borrow::Cow;
use std::ops::Range;

use rand::Rng;

use crate::reader::read_dictionaries;
use crate::view::Seen;
use crate::view::config::{CaseRule, CodeSwitchConfig};
use crate::view::lexicon::Lexicon;
use crate::{Content, Example, Slot, TextError, whitespace_words};

/// Puts words into other languages.
#[derive(Debug)]
pub(crate) struct CodeSwitcher {
    dictionaries: Vec<Lexicon>,
    rate: f64,
    case: CaseRule,
}

/// A part of a text, in characters, and what stands in for it.
struct Edit<'a> {
    part: Range<usize>,
    other: Cow<'a, str>,
}

impl CodeSwitcher {
    pub(crate) fn new(config: &CodeSwitchConfig) -> Result<Self, TextError> {
        let dictionaries = read_dictionaries(&config.dictionaries, &config.languages)?;
        Ok(Self { dictionaries, rate: config.rate, case: config.case })
    }

    /// The example with each of its words put into a random language with the probability `rate`, if the dictionary of that language has it.
    ///
    /// A word keeps its tag, and slots move with their words; a word that a slot begins or ends inside stays.
    /// The sentences of treebanks stay as they are.
    pub(crate) fn switch<'a>(&self, example: &'a Example, rng: &mut impl Rng) -> Seen<'a> {
        let content = match &example.content {
            Content::Tree(_) => return Seen::unchanged(example),
            Content::Words { words, tags } => {
                let other = |word: &String| match self.edit(word, rng) {
                    Some(edit) => apply(word, &[edit]),
                    None => word.clone(),
                };
                Content::Words { words: words.iter().map(other).collect(), tags: tags.clone() }
            }
            Content::Text { text, pair, label, slots } => {
                let edits = self.edits(text, slots, rng);
                let place = |place| moved(&edits, place);
                let slot = |slot: &Slot| Slot {
                    start: place(slot.start),
                    end: place(slot.end),
                    name: slot.name.clone(),
                };
                let words = whitespace_words(text);
                let words = words.into_iter().map(|(start, end)| Some((place(start), place(end))));
                let pair = pair.as_ref().map(|pair| apply(pair, &self.edits(pair, &[], rng)));
                let content = Content::Text {
                    text: apply(text, &edits),
                    pair,
                    label: label.clone(),
                    slots: slots.iter().map(slot).collect(),
                };
                let example = Cow::Owned(Example { content, ..example.clone() });
                return Seen { example, words: words.collect() };
            }
        };
        Seen { example: Cow::Owned(Example { content, ..example.clone() }), words: Vec::new() }
    }

    /// What to change in a text, from its start to its end.
    fn edits(&self, text: &str, slots: &[Slot], rng: &mut impl Rng) -> Vec<Edit<'_>> {
        let borders: Vec<usize> = slots.iter().flat_map(|slot| [slot.start, slot.end]).collect();
        let words = text.split_whitespace().zip(whitespace_words(text));
        let edit = |(word, (start, _)): (&str, (usize, usize))| {
            let mut edit = self.edit(word, rng)?;
            edit.part = start + edit.part.start..start + edit.part.end;
            let is_cut = borders.iter().any(|&at| edit.part.start < at && at < edit.part.end);
            (!is_cut).then_some(edit)
        };
        words.filter_map(edit).collect()
    }

    /// What to change in a word, if anything.
    ///
    /// The word is looked up in lower case, first as it stands and then without the characters at its ends that are neither letters nor digits, which stay where they are.
    fn edit(&self, word: &str, rng: &mut impl Rng) -> Option<Edit<'_>> {
        if rng.random::<f64>() >= self.rate {
            return None;
        }
        let dictionary = self.dictionaries.get(rng.random_range(0..self.dictionaries.len()))?;
        let (known, places) = parts(word).find_map(|part| {
            let places = dictionary.find(&word.get(part.clone())?.to_lowercase())?;
            Some((part, places))
        })?;
        let other = dictionary.value(rng.random_range(places));
        let n_chars = |bytes: Range<usize>| word.get(bytes).map(|part| part.chars().count());
        let start = n_chars(0..known.start)?;
        let part = start..start + n_chars(known.clone())?;
        let is_capital = || word.get(known)?.chars().next().map(char::is_uppercase);
        let other = match self.case {
            CaseRule::Keep if is_capital() == Some(true) => Cow::Owned(capital(other)),
            CaseRule::Keep | CaseRule::Lower => Cow::Borrowed(other),
        };
        Some(Edit { part, other })
    }
}

/// The parts of a word that may be looked up, in bytes: with all that stands at its end or less of it, and with or without what stands at its start.
fn parts(word: &str) -> impl Iterator<Item = Range<usize>> {
    let first = word.find(char::is_alphanumeric);
    let last = word.char_indices().rfind(|(_, c)| c.is_alphanumeric());
    let shortest = last.map_or(word.len(), |(at, c)| at + c.len_utf8());
    let after = word.get(shortest..).unwrap_or_default().char_indices();
    let ends = std::iter::once(word.len()).chain(after.rev().map(move |(at, _)| shortest + at));
    let starts = [Some(0), first.filter(|&first| first > 0)];
    ends.flat_map(move |end| starts.into_iter().flatten().map(move |start| start..end))
}

/// The text with its parts changed.
fn apply(text: &str, edits: &[Edit<'_>]) -> String {
    let mut edited = String::with_capacity(text.len());
    let mut characters = text.chars();
    let mut reached = 0;
    for Edit { part, other } in edits {
        edited.extend(characters.by_ref().take(part.start - reached));
        edited.push_str(other);
        characters.by_ref().take(part.len()).for_each(drop);
        reached = part.end;
    }
    edited.extend(characters);
    edited
}

/// Where a place between two characters, inside no part that changes, lies in the changed text.
fn moved(edits: &[Edit<'_>], place: usize) -> usize {
    let before = edits.iter().take_while(|edit| edit.part.end <= place);
    before.fold(place, |moved, edit| moved + edit.other.chars().count() - edit.part.len())
}

/// The text with a capital at its start.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

#[cfg(test)]
mod tests;
