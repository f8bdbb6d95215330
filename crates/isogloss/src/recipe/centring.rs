//! The `[centring]` table: language centring of the finished model (Libovický et al. 2020).

use std::path::PathBuf;

use isogloss_methods::MethodInfo;
use isogloss_text::{Language, LanguagePattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Languages, RecipeFaults};
use crate::Error;
use crate::task::CentringBy;

/// The `[centring]` table: language centring of the finished model (mean-centering, Libovický et
/// al. 2020). The features of each other language, the inputs of the classifier's last layer, are
/// moved onto those of the source languages, by statistics of unlabeled text that are stored with
/// the model (`centring.json`). The test sets are scored so; development sets, and
/// `training.zero_shot_eval_examples`, are scored without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CentringRecipe {
    /// The files, with one text on each line, like those of the task and without labels;
    /// `{language}` stands for the language. The source languages have one too.
    pub path: LanguagePattern,
    /// The languages that are moved; by default all that are scored, which must have a file each, and
    /// without `[language_adapter]` all others that have one.
    #[serde(default)]
    pub languages: Languages,
    /// Which moments of a language's features are aligned.
    #[serde(default)]
    pub by: CentringBy,
    /// Maximum number of texts of each language, spread evenly over its file; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Method registry of what is done with the selected model before it is scored.
pub fn after_training() -> &'static [MethodInfo] {
    &[MethodInfo {
        key: "centring",
        title: "Language centring (mean-centering)",
        paper: "Libovický et al. 2020, arXiv:2004.05160",
        formula: "z - μ_l + μ_source, or (z - μ_l) σ_source / σ_l + μ_source, of the classifier's inputs z",
        needs: &[],
        file: "crates/isogloss/src/task/centring.rs",
        required: &["path"],
        example: || json!({ "path": "texts/{language}.txt", "languages": "all", "by": "mean" }),
    }]
}

impl CentringRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.path_by_language("centring.path", &self.path);
        if let Some(limit) = self.limit {
            faults.at_least("centring.limit", limit as u64, 1);
        }
    }

    /// The files of the source languages, of the listed languages, and without a list of those that
    /// are scored and, with `others`, of all others that have one.
    ///
    /// # Errors
    /// If a language has no file.
    pub(crate) fn files<'a>(
        &self,
        sources: &[Language],
        scored: impl Iterator<Item = &'a Language>,
        others: bool,
    ) -> Result<Vec<(Language, PathBuf)>, Error> {
        let mut languages = sources.to_vec();
        match &self.languages {
            Languages::Listed(listed) => languages.extend(listed.iter().cloned()),
            Languages::All => {
                languages.extend(scored.cloned());
                if others {
                    languages.extend(self.path.languages_with_file());
                }
            }
        }
        languages.sort();
        languages.dedup();
        let found = |language: Language| Ok((language.clone(), self.path.find(&language)?));
        languages.into_iter().map(found).collect()
    }
}
