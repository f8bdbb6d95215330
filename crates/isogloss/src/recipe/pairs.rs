//! The `[pairs]` table: a parallel corpus, sentences with their translations.

use isogloss_methods::LanguageSampling;
use isogloss_text::{LanguagePattern, Quoting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AlignerRecipe, Languages, RecipeFaults};

/// The `[pairs]` table: a parallel corpus, sentences with their translations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PairsRecipe {
    /// The files, with a tab-separated sentence pair on each line; `{language}` stands for the
    /// language of the right side.
    pub path: LanguagePattern,
    /// Quoting of the files. Without it, cells are unquoted if a whole file is quoted as pandas or
    /// Python's `csv.writer` quote it; else quotes are text, also around a whole sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoting: Option<Quoting>,
    /// The languages of the right side.
    pub languages: Languages,
    /// Batch size, in pairs.
    pub batch_size: usize,
    /// Maximum sequence length: tokens after which a sentence is truncated, special tokens
    /// included. Without it, the `max_seq_length` of a sentence-transformers folder, else 96; or the
    /// tokenizer's `model_max_length` if that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Maximum number of training pairs of each language, the first of the file; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Held-out pairs of each language, for evaluation, spread evenly over the whole file.
    pub held_out: usize,
    /// Language sampling: how the language of each batch is drawn.
    pub sampling: LanguageSampling,
    /// Word alignment, for objectives that realign words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aligner: Option<AlignerRecipe>,
}

impl Default for PairsRecipe {
    fn default() -> Self {
        Self {
            path: LanguagePattern::default(),
            quoting: None,
            languages: Languages::All,
            batch_size: 16,
            max_length: None,
            limit: None,
            held_out: 0,
            sampling: LanguageSampling::default(),
            aligner: None,
        }
    }
}

impl PairsRecipe {
    /// Maximum sequence length where neither recipe nor model folder gives one.
    pub(crate) const MAX_LENGTH: usize = 96;

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.at_least("pairs.batch_size", self.batch_size as u64, 1);
        if let Some(max_length) = self.max_length {
            faults.at_least("pairs.max_length", max_length as u64, 3);
        }
        faults.path_by_language("pairs.path", &self.path);
        if let Some(aligner) = &self.aligner {
            aligner.check(faults);
        }
        faults.sampling("pairs.sampling", &self.sampling);
    }
}
