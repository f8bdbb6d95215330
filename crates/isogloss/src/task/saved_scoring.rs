//! Evaluation settings of a trained model: the task, maximum length and unseen labels that are
//! saved with the model.

use std::path::Path;

use isogloss_model::{HeadSpec, LoadedModel, read_config, scoring_from_json};
use isogloss_text::{FeatureOptions, Language, Tokenizer, Unseen};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TaskConfig;
use super::reading::SavedReading;
use super::saved_language_adapter::SavedLanguageAdapter;
use super::traits::{LabeledTask, TargetKind};
use crate::Error;
use crate::error::ToolError;
use crate::ground::max_length::folder_max_length;

/// Evaluation settings of a trained model: its task with the options, and how its examples are
/// read.
///
/// A run writes them into the entry `isogloss.scoring` of `config.json`, or beside adapters into
/// `isogloss.json`; evaluation and prediction read them there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedScoring {
    /// The task that the head was trained for.
    pub task: TaskConfig,
    /// Maximum sequence length: tokens after which a text is truncated, special tokens included.
    pub max_length: usize,
    /// Unseen labels: what to do with examples whose label the model does not have.
    pub unseen_labels: Unseen,
    /// Reader settings of labeled files.
    #[serde(default, skip_serializing_if = "SavedReading::is_default")]
    pub reading: SavedReading,
    /// Language adapters that other languages were scored with; `None` if all were scored with the
    /// model as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_adapter: Option<SavedLanguageAdapter>,
    /// The source languages, which the mean over target languages leaves out; none if they are not
    /// known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Language>,
}

/// The smallest valid maximum length, in tokens.
const MIN_LENGTH: usize = 3;

impl SavedScoring {
    /// Reads the evaluation settings that are saved in a model folder with complete weights; `None`
    /// if there are none.
    ///
    /// # Errors
    /// If the configuration or the settings cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let (_, config) = read_config(folder)?;
        let path = folder.join("config.json");
        scoring_from_json(&config).map(|saved| Self::from_json(saved, &path)).transpose()
    }

    /// Parses saved settings; `path` is the file that holds them.
    fn from_json(saved: &Value, path: &Path) -> Result<Self, Error> {
        let parsed = serde_json::from_value(saved.clone());
        parsed.map_err(|error| {
            ToolError::Scoring { path: path.to_owned(), problem: error.to_string() }.into()
        })
    }

    /// Reads the evaluation settings of a model. Without saved ones, the task is inferred from the
    /// head, and the maximum length is the smaller of the position embeddings and the tokenizer's
    /// `model_max_length`. `path` is the file that holds the settings.
    ///
    /// The tags of a model without saved settings are taken to be those of words, on their first
    /// subwords, as is usual with `seqeval`, and numbers of classes to be those of its labels. A run
    /// saves the names of such numbers, if it read any.
    ///
    /// # Errors
    /// If the settings cannot be read, or do not suit the model's head.
    pub(crate) fn from_model(
        loaded: &LoadedModel,
        head: &HeadSpec,
        tokenizer: &Tokenizer,
        path: &Path,
    ) -> Result<Self, Error> {
        let Some(saved) = &loaded.scoring else {
            let (task, unseen_labels) = (TaskConfig::for_head(head), Unseen::Error);
            let max_length = folder_max_length(tokenizer, loaded.model.encoder.config());
            let (reading, language_adapter) = (SavedReading::for_labels(head.labels()), None);
            let sources = Vec::new();
            return Ok(Self {
                task,
                max_length,
                unseen_labels,
                reading,
                language_adapter,
                sources,
            });
        };
        let this = Self::from_json(saved, path)?;
        let folder = path.parent().unwrap_or(path);
        let language_adapter = this.language_adapter.map(|of| of.found_from(folder));
        Self { language_adapter, ..this }.for_model(loaded, head, path)
    }

    /// Validates the settings for a model, and limits the maximum length to the model's. `path` is
    /// the file that holds the settings.
    ///
    /// # Errors
    /// If they are not valid, or do not suit the model's head.
    pub(crate) fn for_model(
        self,
        loaded: &LoadedModel,
        head: &HeadSpec,
        path: &Path,
    ) -> Result<Self, Error> {
        let name = self.task.name();
        let is_alike = match (head, self.task.target()) {
            (HeadSpec::Sequence { .. }, target) => target == Some(TargetKind::Class),
            (HeadSpec::Tokens { .. }, target) => matches!(target, Some(TargetKind::Tag(_))),
            (HeadSpec::Parser(_), target) => target == Some(TargetKind::Tree),
        };
        let fault = self.task.faults().into_iter().next();
        let problem = match fault {
            _ if !is_alike => format!("task: {name} of a model with {}", head.kind()),
            Some((field, problem)) => format!("task.{name}.{field}: {problem}"),
            None if self.max_length < MIN_LENGTH => {
                format!("max_length: expected {MIN_LENGTH} or more, found {}", self.max_length)
            }
            None => {
                let max_tokens = loaded.model.encoder.config().max_tokens();
                return Ok(Self { max_length: self.max_length.min(max_tokens), ..self });
            }
        };
        Err(ToolError::Scoring { path: path.to_owned(), problem }.into())
    }

    /// Serializes the settings for the files of a model folder.
    pub(crate) fn to_json(&self, folder: &Path) -> Value {
        let language_adapter = self.language_adapter.clone().map(|of| of.written_into(folder));
        let written = Self { language_adapter, ..self.clone() };
        serde_json::to_value(written).expect("names and numbers are printable")
    }

    /// The task, which is supervised.
    pub fn labeled(&self) -> &dyn LabeledTask {
        self.task.labeled().expect("a head was trained for a task with labels")
    }

    /// Tokenization options of its examples.
    pub fn feature_options(&self) -> FeatureOptions {
        FeatureOptions::new(self.max_length).with_unseen(self.unseen_labels)
    }
}
