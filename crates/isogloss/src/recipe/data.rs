//! The `[data]` table: the labeled dataset, its files, languages and splits.

use isogloss_methods::LanguageSampling;
use isogloss_text::{Columns, Format, Language, LanguagePattern, Quoting, TagScheme, Unseen};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Languages, RecipeFaults};
use crate::task::SavedReading;

/// The `[data]` table: the labeled dataset, its files, languages and splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataRecipe {
    /// The files: `{language}` stands for a language tag, `{split}` for a split's name. Without
    /// `{split}`, a column of the file says which split a row belongs to.
    pub path: LanguagePattern,
    /// File format; inferred from the file extension if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The names of fields or columns.
    pub columns: Columns,
    /// Whether TSV and CSV files have a header row with the names of their columns.
    pub header: bool,
    /// Quoting of fields in TSV and CSV files.
    pub quoting: Quoting,
    /// Tagging scheme of spans, such as BIO or BIOES, in files of tagged words; tags are learned as
    /// BIO.
    pub tag_scheme: TagScheme,
    /// Names of the classes or tags that the files give as numbers, in the order of the numbers.
    /// They come first among the labels of the model, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label_names: Vec<String>,
    /// The names of the splits.
    pub splits: Splits,
    /// Source languages: the languages of the training data. Each batch is of one language. The
    /// first is the main source; the label set is that of all sources.
    pub sources: Vec<Language>,
    /// Language sampling: how the language of a batch is drawn if there are several sources; in
    /// proportion to their data by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<LanguageSampling>,
    /// Evaluation languages; the source languages are always among them.
    pub languages: Languages,
    /// The minimum number of labels that an evaluation language shares with the sources; languages
    /// that share fewer are left out.
    pub min_shared_labels: usize,
    /// Unseen labels: what to do with examples whose label the sources do not have.
    pub unseen_labels: Unseen,
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            path: LanguagePattern::default(),
            format: None,
            columns: Columns::default(),
            header: true,
            quoting: Quoting::default(),
            tag_scheme: TagScheme::default(),
            label_names: Vec::new(),
            splits: Splits::default(),
            sources: Vec::new(),
            sampling: None,
            languages: Languages::default(),
            min_shared_labels: 0,
            unseen_labels: Unseen::default(),
        }
    }
}

/// The names of the splits in the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Splits {
    /// Name of the training split.
    pub train: String,
    /// Name of the development split, for model selection.
    pub dev: String,
    /// Name of the test split, scored at the end.
    pub test: String,
}

impl Default for Splits {
    fn default() -> Self {
        Self { train: "train".into(), dev: "dev".into(), test: "test".into() }
    }
}

impl DataRecipe {
    /// Reader settings of the labeled files, besides their format.
    pub(crate) fn reading(&self) -> SavedReading {
        SavedReading {
            columns: self.columns.clone(),
            header: self.header,
            quoting: self.quoting,
            tag_scheme: self.tag_scheme,
            label_names: self.label_names.clone(),
            test_split: self.splits.test.clone(),
        }
    }

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        if self.sources.is_empty() {
            faults.add("data.sources", "name the language to train on");
        }
        for (index, language) in self.sources.iter().enumerate() {
            if self.sources[..index].contains(language) {
                let message = format!("data.sources: \"{language}\" is a source already");
                faults.add_message(&format!("data.sources.{index}"), message);
            }
        }
        for (index, name) in self.label_names.iter().enumerate() {
            if self.label_names[..index].contains(name) {
                let message = format!("data.label_names: {name:?} is the name of two classes");
                faults.add_message(&format!("data.label_names.{index}"), message);
            }
        }
        let Some(sampling) = &self.sampling else { return };
        faults.sampling("data.sampling", sampling);
        if sampling.follows_losses() {
            let problem =
                "batches with labels are made ahead of their losses; draw by size or evenly";
            faults.add("data.sampling", problem);
        }
        if self.sources.len() < 2 {
            let problem = "there is one language to draw; name others in data.sources";
            faults.add("data.sampling", problem);
        }
    }

    /// Validates the path of a task with labels: it is set, has `{language}`, and the format is
    /// known.
    pub(super) fn check_path(&self, faults: &mut RecipeFaults<'_>) {
        if self.path.has_split() && self.columns.split != Columns::default().split {
            let problem = "data.path has {split}, which says the split of a whole file";
            faults.add("data.columns.split", problem);
        }
        if self.path.is_empty() {
            faults.add("data.path", "name the files, such as data/{language}.jsonl");
        } else if !self.path.has_language() {
            faults.path_by_language("data.path", &self.path);
        } else if self.format.is_none() && Format::from_path(self.path.as_ref()).is_none() {
            let known = Format::EXTENSIONS;
            let message = format!(
                "data.format: the path's extension does not tell the format, as {known} do"
            );
            faults.add_message("data.path", message);
        }
    }
}
