//! Scoring of a finished model: what decides its scores beside its weights, its labels and its tokenizer, as
//! a run stores it with the model.

use std::path::Path;

use isogloss_model::{HeadSpec, LoadedModel};
use isogloss_text::{FeatureOptions, TagUnits, Unseen};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TaskConfig;
use super::classification::Classification;
use super::parsing::Parsing;
use super::pos_tagging::PosTagging;
use super::tagging::Tagging;
use super::traits::{LabeledTask, TargetKind};
use crate::Error;
use crate::error::ToolError;

/// How a finished model is scored: its task with the options, and how its examples are read.
///
/// A run writes it into the entry `isogloss.scoring` of `config.json`, or beside adapters into `isogloss.json`;
/// whatever scores or runs the model later reads it there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedScoring {
    /// The task that the head was trained for.
    pub task: TaskConfig,
    /// Tokens after which a text is cut, specials included.
    pub max_length: usize,
    /// What is done with examples whose label the model does not have.
    pub unseen_labels: Unseen,
}

/// Tokens of the shortest text that is of any use.
const MIN_LENGTH: usize = 3;

impl SavedScoring {
    /// What a model says of its scoring; where it says nothing, what its head tells of the task, and texts as
    /// long as the model takes. `path` is the file that it says so in.
    ///
    /// Tags of a model that was not made here are those of words, on their first subwords, as
    /// `seqeval` is used.
    ///
    /// # Errors
    /// If what it says cannot be read, or is of another head than it has.
    pub(crate) fn from_model(
        loaded: &LoadedModel,
        head: &HeadSpec,
        path: &Path,
    ) -> Result<Self, Error> {
        let max_tokens = loaded.model.encoder.config().max_tokens();
        let Some(saved) = &loaded.scoring else {
            let (task, unseen_labels) = (task_for_head(head), Unseen::Error);
            return Ok(Self { task, max_length: max_tokens, unseen_labels });
        };
        let this: Self = serde_json::from_value(saved.clone()).map_err(|error| {
            ToolError::Scoring { path: path.to_owned(), problem: error.to_string() }
        })?;
        this.for_model(loaded, head, path)
    }

    /// The same for a model, whose texts are not longer than it takes. `path` says where this stands.
    ///
    /// # Errors
    /// If it is of another head than the model's.
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

    /// The entry of a model's files.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("names and numbers are printable")
    }

    /// Its task, which has labels.
    pub fn labeled(&self) -> &dyn LabeledTask {
        self.task.labeled().expect("a head was trained for a task with labels")
    }

    /// How its examples are tokenized.
    pub fn feature_options(&self) -> FeatureOptions {
        FeatureOptions::new(self.max_length).with_unseen(self.unseen_labels)
    }
}

/// The task that a saved head was trained for, as far as it tells.
pub(crate) fn task_for_head(head: &HeadSpec) -> TaskConfig {
    match head {
        HeadSpec::Sequence { .. } => TaskConfig::Classification(Classification {}),
        HeadSpec::Tokens { labels } if PosTagging::has_labels(labels) => {
            TaskConfig::PosTagging(PosTagging {})
        }
        HeadSpec::Tokens { .. } => TaskConfig::Tagging(Tagging { units: TagUnits::Word }),
        HeadSpec::Parser(spec) => TaskConfig::Parsing(Parsing::from_spec(spec)),
    }
}
