//! The `[language_adapter]` table: the language adapter below a task adapter (MAD-X, Pfeiffer et
//! al. 2020).

use isogloss_text::LanguagePattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[language_adapter]` table: the language adapter below the task adapter (MAD-X, Pfeiffer et
/// al. 2020). When another language is evaluated, the adapter of that language replaces it, unless
/// `evaluation` says otherwise. Of several source languages, each batch goes through the adapter of
/// its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanguageAdapterRecipe {
    /// The adapter folders, in the format of the `adapters` library; `{language}` stands for the
    /// language.
    pub path: LanguagePattern,
    /// Which language adapter is used when other languages are evaluated.
    #[serde(default)]
    pub evaluation: LanguageExchange,
    /// Layers without a language adapter, from zero; MAD-X 2.0 leaves out the last.
    #[serde(default)]
    pub leave_out: Vec<usize>,
}

/// The language adapter in the evaluation of a language that was not trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LanguageExchange {
    /// The adapter of that language.
    #[default]
    Target,
    /// The adapter of the source language.
    Source,
    /// No language adapter.
    None,
}

impl LanguageAdapterRecipe {
    /// The table as TOML, to be put into a recipe.
    pub(crate) fn to_toml(&self) -> String {
        let table =
            toml::to_string(&std::collections::BTreeMap::from([("language_adapter", self)]));
        table.expect("paths and numbers of a language adapter are printable")
    }

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.path_by_language("language_adapter.path", &self.path);
    }
}
