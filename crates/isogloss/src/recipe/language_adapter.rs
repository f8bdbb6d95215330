//! The `[language_adapter]` table: the language adapter under a task adapter (MAD-X).

use isogloss_text::LanguagePattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[language_adapter]` table: the language adapter (MAD-X), which lies under the task's adapter, and gives way to that of the
/// language where the task is scored (MAD-X).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanguageAdapterRecipe {
    /// The folders, as the `adapters` library writes them; `{language}` stands for the language.
    pub path: LanguagePattern,
    /// What lies under the task's adapter in other languages.
    #[serde(default)]
    pub evaluation: LanguageExchange,
    /// Layers that do not get theirs, from zero; MAD-X 2.0 leaves out the last.
    #[serde(default)]
    pub leave_out: Vec<usize>,
}

/// What lies under a task's adapter in a language that it was not trained in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LanguageExchange {
    /// The adapter of that language.
    #[default]
    Target,
    /// That of the source language.
    Source,
    /// Nothing.
    None,
}

impl LanguageAdapterRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.path_by_language("language_adapter.path", &self.path);
    }
}
