//! Code-switching: data augmentation that replaces words by their translations from bilingual
//! dictionaries.

use std::borrow::Cow;
use std::ops::Range;

use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, outside};
use crate::reader::Texts;
use crate::view::lexicon::{Lexicon, file_faults, read_dictionaries};
use crate::view::rewritten::RewrittenExample;
use crate::{Content, Example, Language, LanguagePattern, Slot, TextError, whitespace_words};

/// The `[views.code_switched]` table of a recipe: code-switching by bilingual dictionaries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeSwitchConfig {
    /// The path of the dictionaries, with `{language}` for the tag of the language whose words are
    /// put in, and `{source}` for that of the text where texts are in several languages.
    ///
    /// A dictionary has one word and one translation per line, as those of MUSE have: separated by
    /// a tab or ` ||| `, in which case both may contain spaces, or by spaces, in which case the word
    /// ends at the first space. A third column, such as scores, is an error.
    pub dictionaries: LanguagePattern,
    /// The languages to sample from.
    pub languages: Vec<Language>,
    /// The code-switching rate: the share of words that are looked up, from 0 to 1.
    #[serde(default = "default_rate")]
    pub rate: f64,
    /// The letter case of a translation.
    #[serde(default)]
    pub case: CaseRule,
}

/// The rate of xTune's scripts for natural language inference and question answering.
fn default_rate() -> f64 {
    0.3
}

/// Letter case of a word that replaces another; words are always looked up in lower case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseRule {
    /// As in the dictionary, which is xTune's rule.
    #[default]
    Lower,
    /// As in the dictionary, but capitalized if the replaced word is.
    Keep,
}

impl CodeSwitchConfig {
    /// Validates the configuration: the field, below `[views]`, and the reason of each invalid
    /// value.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let fields = ["code_switched.dictionaries", "code_switched.languages"];
        let files = file_faults(fields, &self.dictionaries, &self.languages);
        files.into_iter().chain(outside("code_switched.rate", self.rate, 0.0..=1.0)).collect()
    }

    /// Adds the translations of the dictionaries, in the forms in which they may occur in a text.
    ///
    /// # Errors
    /// If a dictionary is missing or cannot be read.
    pub(crate) fn add_texts(&self, texts: &mut Texts) -> Result<(), TextError> {
        for lexicon in read_dictionaries(&self.dictionaries, &self.languages)? {
            for word in lexicon.values() {
                // Some tokenizers segment a word differently at the start of a text.
                texts.add_text(&format!("{word} {word}"));
                if self.case == CaseRule::Keep {
                    let word = capital(word);
                    texts.add_text(&format!("{word} {word}"));
                }
            }
        }
        Ok(())
    }
}

/// Code-switching augmenter: replaces words by their translations, see [`CodeSwitchConfig`].
#[derive(Debug)]
pub(crate) struct CodeSwitcher {
    dictionaries: Vec<Lexicon>,
    rate: f64,
    case: CaseRule,
}

/// Text edit: a span of a text, in characters, and its replacement.
struct Edit<'a> {
    part: Range<usize>,
    other: Cow<'a, str>,
}

impl CodeSwitcher {
    /// Loads the dictionaries of a configuration.
    ///
    /// # Errors
    /// [`TextError::MissingLanguage`] for a language without a file, and the errors of the files.
    pub(crate) fn new(config: &CodeSwitchConfig) -> Result<Self, TextError> {
        let dictionaries = read_dictionaries(&config.dictionaries, &config.languages)?;
        Ok(Self { dictionaries, rate: config.rate, case: config.case })
    }

    /// Replaces each word of an example with the probability `rate` by a translation into a random
    /// language, if the dictionary of that language has the word.
    ///
    /// A word keeps its tag, and slots move with their words; a word is not replaced if a slot
    /// begins or ends inside it.
    /// Treebank sentences are unchanged.
    pub(crate) fn switch<'a>(
        &self,
        example: &'a Example,
        rng: &mut impl Rng,
    ) -> RewrittenExample<'a> {
        let content = match &example.content {
            Content::Tree(_) => return RewrittenExample::unchanged(example),
            Content::Words { words, tags } => {
                let other = |word: &String| match self.edit(word, rng) {
                    Some(edit) => apply(word, &[edit]),
                    None => word.clone(),
                };
                Content::Words { words: words.iter().map(other).collect(), tags: tags.clone() }
            }
            Content::Text { text, pair, label, slots } => {
                let edits = self.edits(text, slots, rng);
                let moved = |offset| moved_offset(&edits, offset);
                let slot = |slot: &Slot| Slot {
                    start: moved(slot.start),
                    end: moved(slot.end),
                    name: slot.name.clone(),
                };
                let words = whitespace_words(text);
                let words = words.into_iter().map(|(start, end)| Some((moved(start), moved(end))));
                let pair = pair.as_ref().map(|pair| apply(pair, &self.edits(pair, &[], rng)));
                let content = Content::Text {
                    text: apply(text, &edits),
                    pair,
                    label: label.clone(),
                    slots: slots.iter().map(slot).collect(),
                };
                let example = Cow::Owned(Example { content, ..example.clone() });
                return RewrittenExample { example, word_spans: words.collect() };
            }
        };
        let example = Cow::Owned(Example { content, ..example.clone() });
        RewrittenExample { example, word_spans: Vec::new() }
    }

    /// The edits of a text, from its start to its end.
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

    /// The edit of a word, if it is replaced.
    ///
    /// The word is looked up in lower case, first as it is and then without the characters at its
    /// ends that are neither letters nor digits, which are not replaced.
    fn edit(&self, word: &str, rng: &mut impl Rng) -> Option<Edit<'_>> {
        if rng.random::<f64>() >= self.rate {
            return None;
        }
        let dictionary = self.dictionaries.get(rng.random_range(0..self.dictionaries.len()))?;
        let (known, indices) = parts(word).find_map(|part| {
            let indices = dictionary.find(&word.get(part.clone())?.to_lowercase())?;
            Some((part, indices))
        })?;
        let other = dictionary.value(rng.random_range(indices));
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

/// The byte ranges of a word to look up: with all or less of the punctuation at its end, and with
/// or without that at its start.
fn parts(word: &str) -> impl Iterator<Item = Range<usize>> {
    let first = word.find(char::is_alphanumeric);
    let last = word.char_indices().rfind(|(_, c)| c.is_alphanumeric());
    let shortest = last.map_or(word.len(), |(at, c)| at + c.len_utf8());
    let after = word.get(shortest..).unwrap_or_default().char_indices();
    let ends = std::iter::once(word.len()).chain(after.rev().map(move |(at, _)| shortest + at));
    let starts = [Some(0), first.filter(|&first| first > 0)];
    ends.flat_map(move |end| starts.into_iter().flatten().map(move |start| start..end))
}

/// Applies edits to a text.
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

/// Maps an offset of the original text, which must not be inside an edited part, to the edited
/// text.
fn moved_offset(edits: &[Edit<'_>], offset: usize) -> usize {
    let before = edits.iter().take_while(|edit| edit.part.end <= offset);
    before.fold(offset, |moved, edit| moved + edit.other.chars().count() - edit.part.len())
}

/// Capitalizes the first character of a text.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

#[cfg(test)]
mod tests;
