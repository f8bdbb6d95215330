//! The `[monolingual]` table: a monolingual corpus, unlabeled text for masked language modelling.

use isogloss_methods::LanguageSampling;
use isogloss_text::{Language, LanguagePattern, read_sentence_file};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Languages, RecipeFaults};
use crate::Error;

/// The `[monolingual]` table: a monolingual corpus, unlabeled text for masked language modelling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MonolingualRecipe {
    /// The files, with one sentence on each line; `{language}` stands for the language.
    pub path: LanguagePattern,
    /// The languages.
    pub languages: Languages,
    /// Batch size, in blocks.
    pub batch_size: usize,
    /// Maximum sequence length: tokens of a block, special tokens included. Without it, 128, or the
    /// tokenizer's `model_max_length` if that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Held-out blocks of each language, for evaluation, spread evenly over the whole text.
    pub held_out: usize,
    /// Language sampling: how the language of each batch is drawn.
    pub sampling: LanguageSampling,
}

impl Default for MonolingualRecipe {
    fn default() -> Self {
        Self {
            path: LanguagePattern::default(),
            languages: Languages::All,
            batch_size: 8,
            max_length: None,
            held_out: 0,
            sampling: LanguageSampling::default(),
        }
    }
}

impl MonolingualRecipe {
    /// Maximum sequence length where neither recipe nor tokenizer gives one.
    pub(crate) const MAX_LENGTH: usize = 128;

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.at_least("monolingual.batch_size", self.batch_size as u64, 1);
        if let Some(max_length) = self.max_length {
            faults.at_least("monolingual.max_length", max_length as u64, 3);
        }
        faults.path_by_language("monolingual.path", &self.path);
        faults.sampling("monolingual.sampling", &self.sampling);
    }

    /// The languages, at least one.
    pub(crate) fn languages(&self) -> Result<Vec<Language>, Error> {
        self.languages.with_files(&self.path)
    }

    /// Reads the sentences of a language.
    pub(crate) fn sentences(&self, language: &Language) -> Result<Vec<String>, Error> {
        Ok(read_sentence_file(&self.path.find(language)?)?)
    }
}
