//! A choice of languages, as several tables have it.

use isogloss_text::{Language, languages_with_file};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The languages of evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Languages {
    /// Every language that there is a file for.
    #[default]
    All,
    /// These.
    #[serde(untagged)]
    These(Vec<Language>),
}

impl Languages {
    /// These, or those that there is a file of `pattern` for; at least one.
    pub(crate) fn with_files(&self, pattern: &str) -> Result<Vec<Language>, Error> {
        let languages = match self {
            Self::These(languages) => languages.clone(),
            Self::All => languages_with_file(pattern),
        };
        if languages.is_empty() {
            let problem = "no file for any language".to_owned();
            return Err(Error::Damaged { path: pattern.into(), problem });
        }
        Ok(languages)
    }
}
