//! A choice of languages: a list, or all that have a file.

use isogloss_text::{Language, LanguagePattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::DataError;

/// A choice of languages.
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
    /// The listed ones, or those that there is a file of `pattern` for; at least one.
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
