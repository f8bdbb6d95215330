//! The `[unlabeled]` table: text of the task without labels, for its own objectives.

use isogloss_methods::LanguageSampling;
use isogloss_text::{Language, LanguagePattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Languages, RecipeFaults};
use crate::Error;
use crate::ground::plain_text::read_plain_texts;

/// The `[unlabeled]` table: text of the task without labels, in the source or in other languages,
/// for consistency, pseudo-labels and entropy. It is tokenized as the task's texts, with the maximum
/// length of `[model]`; words of a tagger are those between white space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnlabeledRecipe {
    /// The files, with one text on each line; `{language}` stands for the language.
    pub path: LanguagePattern,
    /// The languages.
    pub languages: Languages,
    /// Batch size, in texts; each batch of labeled examples comes with one of these.
    pub batch_size: usize,
    /// Language sampling: how the language of each batch is drawn.
    pub sampling: LanguageSampling,
}

impl Default for UnlabeledRecipe {
    fn default() -> Self {
        Self {
            path: LanguagePattern::default(),
            languages: Languages::All,
            batch_size: 16,
            sampling: LanguageSampling::default(),
        }
    }
}

impl UnlabeledRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.at_least("unlabeled.batch_size", self.batch_size as u64, 1);
        faults.path_by_language("unlabeled.path", &self.path);
        faults.sampling("unlabeled.sampling", &self.sampling);
    }

    /// The languages, at least one.
    pub(crate) fn languages(&self) -> Result<Vec<Language>, Error> {
        self.languages.with_files(&self.path)
    }

    /// Reads the texts of a language.
    pub(crate) fn texts(&self, language: &Language) -> Result<Vec<String>, Error> {
        read_plain_texts(&self.path.find(language)?, None)
    }
}
