//! The `[unlabeled]` table: text of the task without labels, for its own objectives.

use isogloss_methods::{LanguageSampling, TextView};
use isogloss_text::{Language, LanguagePattern, ViewsConfig};
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

/// The views of a recipe that texts with labels are read in, by the texts that objectives read; files
/// of the others need not be there.
pub(crate) fn labeled_views(views: &ViewsConfig, read: &[TextView]) -> ViewsConfig {
    let is_switched = |text| matches!(text, TextView::CodeSwitched | TextView::SecondCodeSwitched);
    let is_translated = |text: TextView| text.is_translated() && text.is_of_task();
    views_that(views, read, is_switched, is_translated)
}

/// The views of a recipe that texts without labels are read in, see [`labeled_views`].
pub(crate) fn unlabeled_views(views: &ViewsConfig, read: &[TextView]) -> ViewsConfig {
    let is_translated = |text| text == TextView::UnlabeledTranslated;
    views_that(views, read, |text| text == TextView::UnlabeledCodeSwitched, is_translated)
}

fn views_that(
    views: &ViewsConfig,
    read: &[TextView],
    is_switched: impl Fn(TextView) -> bool,
    is_translated: impl Fn(TextView) -> bool,
) -> ViewsConfig {
    let (code_switched, translated) = (views.code_switched.clone(), views.translated.clone());
    ViewsConfig {
        subword_sampled: views.subword_sampled,
        code_switched: code_switched.filter(|_| read.iter().any(|text| is_switched(*text))),
        translated: translated.filter(|_| read.iter().any(|text| is_translated(*text))),
    }
}

/// What is wrong with the views of texts without labels in these languages; the field is below
/// `[views]`. Texts in the only source language may have files for that language alone.
pub(crate) fn unlabeled_view_faults(
    views: &ViewsConfig,
    languages: &[Language],
    sources: &[Language],
) -> Vec<(&'static str, String)> {
    match languages == sources && sources.len() == 1 {
        true => Vec::new(),
        false => views.source_faults(languages),
    }
}
