//! Language selection: a list, or all languages that have a file.

use isogloss_text::{Language, LanguagePattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::DataError;

/// Language selection: a list, or all languages that have a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Languages {
    /// Every language that there is a file for.
    #[default]
    All,
    /// The languages of a list.
    #[serde(untagged)]
    Listed(Vec<Language>),
}

impl Languages {
    /// The languages of the list, or those that have a file of `pattern`; at least one.
    pub(crate) fn with_files(&self, pattern: &LanguagePattern) -> Result<Vec<Language>, Error> {
        let languages = match self {
            Self::Listed(languages) => languages.clone(),
            Self::All => pattern.all_languages()?,
        };
        if languages.is_empty() {
            return Err(DataError::NoFile { pattern: pattern.as_str().to_owned() }.into());
        }
        Ok(languages)
    }
}
