//! Translated views: data augmentation that replaces whole texts by their translations from files.

use std::borrow::Cow;
use std::ops::Range;

use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::reader::Texts;
use crate::view::lexicon::{Lexicon, file_faults, read_translations};
use crate::view::rewritten::RewrittenExample;
use crate::{Content, Example, Language, LanguagePattern, Quoting, TextError};

/// The `[views.translated]` table of a recipe: translations of whole texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TranslationConfig {
    /// The path of the translations, with `{language}` for the tag of the language that texts are
    /// translated into, and `{source}` for that of the text where texts are in several languages: a
    /// text and its translation per line, separated by a tab.
    pub path: LanguagePattern,
    /// Quoting of the files. Without it, cells are unquoted if a whole file is quoted as pandas or
    /// Python's `csv.writer` quote it; else quotes are text, also around a whole sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoting: Option<Quoting>,
    /// The languages to sample from.
    pub languages: Vec<Language>,
}

impl TranslationConfig {
    /// Validates the configuration: the field, below `[views]`, and the reason of each invalid
    /// value.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        file_faults(["translated.path", "translated.languages"], &self.path, &self.languages)
    }

    /// Adds all translations.
    ///
    /// # Errors
    /// If a file is missing or cannot be read.
    pub(crate) fn add_texts(&self, texts: &mut Texts) -> Result<(), TextError> {
        for lexicon in read_translations(&self.path, &self.languages, self.quoting)? {
            lexicon.values().for_each(|translation| texts.add_text(translation));
        }
        Ok(())
    }
}

/// Translation augmenter: replaces whole texts by their translations, see [`TranslationConfig`].
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
    /// Loads the translations of a configuration.
    ///
    /// # Errors
    /// [`TextError::MissingLanguage`] for a language without a file, and the errors of the files.
    pub(crate) fn new(config: &TranslationConfig) -> Result<Self, TextError> {
        Ok(Self { languages: read_translations(&config.path, &config.languages, config.quoting)? })
    }

    /// Translates an example into a random language for which the text, or both texts of a pair,
    /// have a translation; unchanged if there is none.
    ///
    /// The words of a tagged sentence are looked up joined by spaces; a translation is split at
    /// whitespace, has words of its own, and no slots or tags.
    pub(crate) fn translate<'a>(
        &self,
        example: &'a Example,
        rng: &mut impl Rng,
    ) -> RewrittenExample<'a> {
        let all: Vec<_> = self.translations(example).collect();
        if all.is_empty() {
            return RewrittenExample::unchanged(example);
        }
        let Translations { language, text, pair } = &all[rng.random_range(0..all.len())];
        let mut draw = |indices: &Range<usize>| language.value(rng.random_range(indices.clone()));
        let (text, pair) = (draw(text), pair.as_ref().map(&mut draw));
        let content = match &example.content {
            Content::Text { label, .. } => Content::Text {
                text: text.to_owned(),
                pair: pair.map(str::to_owned),
                label: label.clone(),
                slots: Vec::new(),
            },
            Content::Words { .. } | Content::Tree(_) => {
                let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
                let tags = vec![String::new(); words.len()];
                Content::Words { words, tags }
            }
        };
        let translated = Cow::Owned(Example { content, ..example.clone() });
        RewrittenExample::with_own_words(translated)
    }

    /// The number of examples that have a translation.
    pub(crate) fn n_translated(&self, examples: &[Example]) -> usize {
        examples.iter().filter(|example| self.translations(example).next().is_some()).count()
    }

    /// The translations of an example into each language that has them.
    fn translations(&self, example: &Example) -> impl Iterator<Item = Translations<'_>> {
        let texts = match &example.content {
            Content::Text { text, pair, .. } => {
                Some((Cow::Borrowed(text.trim()), pair.as_deref().map(str::trim)))
            }
            Content::Words { words, .. } => Some((Cow::Owned(words.join(" ")), None)),
            Content::Tree(_) => None,
        };
        self.languages.iter().filter_map(move |language| {
            let (text, pair) = texts.as_ref()?;
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
