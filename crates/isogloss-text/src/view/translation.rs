//! Whole texts put into other languages.

use std::borrow::Cow;
use std::ops::Range;

use rand::Rng;

use crate::reader::read_translations;
use crate::view::Seen;
use crate::view::config::TranslationConfig;
use crate::view::lexicon::Lexicon;
use crate::{Content, Example, TextError};

/// Puts whole texts into other languages.
#[derive(Debug)]
pub(crate) struct Translator {
    languages: Vec<Lexicon>,
}

/// The translations of an example into one language.
struct Translations<'a> {
    language: &'a Lexicon,
    text: Range<usize>,
    pair: Option<Range<usize>>,
}

impl Translator {
    pub(crate) fn new(config: &TranslationConfig) -> Result<Self, TextError> {
        Ok(Self { languages: read_translations(&config.path, &config.languages)? })
    }

    /// The example in a random one of the languages that it, with both texts of a pair, has translations into; as it is where there is none.
    pub(crate) fn translate<'a>(&self, example: &'a Example, rng: &mut impl Rng) -> Seen<'a> {
        let all: Vec<_> = self.translations(example).collect();
        let (Content::Text { label, .. }, false) = (&example.content, all.is_empty()) else {
            return Seen::unchanged(example);
        };
        let Translations { language, text, pair } = &all[rng.random_range(0..all.len())];
        let mut draw =
            |places: &Range<usize>| language.value(rng.random_range(places.clone())).to_owned();
        let (text, pair) = (draw(text), pair.as_ref().map(draw));
        let content = Content::Text { text, pair, label: label.clone(), slots: Vec::new() };
        let n_words = Seen::unchanged(example).words.len();
        let example = Cow::Owned(Example { content, ..example.clone() });
        Seen { example, words: vec![None; n_words] }
    }

    /// The number of examples that have a translation.
    pub(crate) fn n_translated(&self, examples: &[Example]) -> usize {
        examples.iter().filter(|example| self.translations(example).next().is_some()).count()
    }

    /// The translations of an example into each language that has them.
    fn translations(&self, example: &Example) -> impl Iterator<Item = Translations<'_>> {
        let texts = match &example.content {
            Content::Text { text, pair, .. } => Some((text.trim(), pair.as_deref().map(str::trim))),
            Content::Words { .. } | Content::Tree(_) => None,
        };
        self.languages.iter().filter_map(move |language| {
            let (text, pair) = texts?;
            let text = language.find(text)?;
            let pair = match pair {
                Some(pair) => Some(language.find(pair)?),
                None => None,
            };
            Some(Translations { language, text, pair })
        })
    }
}

#[cfg(test)]
mod tests;
