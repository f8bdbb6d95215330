//! The `[pairs]` table: parallel sentences.

use isogloss_methods::LanguageSampling;
use isogloss_text::LanguagePattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AlignerRecipe, Languages, RecipeFaults};

/// The `[pairs]` table: sentences and their translations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PairsRecipe {
    /// The files, a pair a line between a tab; `{language}` stands for the language of the right side.
    pub path: LanguagePattern,
    /// Those languages.
    pub languages: Languages,
    /// Pairs of one pass through the model.
    pub batch_size: usize,
    /// Tokens after which a sentence is cut, specials included.
    pub max_length: usize,
    /// Pairs of each language that are trained on, the first of the file; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Pairs of each language that are kept for tests, evenly from the whole file.
    pub held_out: usize,
    /// How the language of each batch is drawn.
    pub sampling: LanguageSampling,
    /// How words are linked, for objectives that realign them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aligner: Option<AlignerRecipe>,
}

impl Default for PairsRecipe {
    fn default() -> Self {
        Self {
            path: LanguagePattern::default(),
            languages: Languages::All,
            batch_size: 16,
            max_length: 96,
            limit: None,
            held_out: 0,
            sampling: LanguageSampling::default(),
            aligner: None,
        }
    }
}

impl PairsRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.at_least("pairs.batch_size", self.batch_size as u64, 1);
        faults.at_least("pairs.max_length", self.max_length as u64, 3);
        faults.path_by_language("pairs.path", &self.path);
        if let Some(aligner) = &self.aligner {
            aligner.check(faults);
        }
        faults.sampling("pairs.sampling", &self.sampling);
    }
}
