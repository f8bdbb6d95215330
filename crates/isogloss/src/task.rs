//! Tasks: a file each, with its options, examples, head, scores and selection metric.
//!
//! A new task is a file below this one, and a variant of [`TaskConfig`].

mod classification;
mod evaluator;
mod label_predictor;
mod labeled_set;
mod language_modeling;
mod parsing;
mod pos_tagging;
mod reading;
mod results;
mod retrieval;
mod saved_scoring;
mod scores;
mod tagging;
mod traits;
mod trees;

use std::ops::Deref;

use isogloss_methods::MethodInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use classification::Classification;
pub use evaluator::{Evaluator, Scored};
pub use label_predictor::{LabelPredictor, Predictions};
pub use labeled_set::{DataReport, LabeledSet};
pub use language_modeling::LanguageModeling;
pub use parsing::Parsing;
pub use pos_tagging::PosTagging;
pub use results::{Results, Selection};
pub use retrieval::Retrieval;
pub use saved_scoring::SavedScoring;
pub use scores::{LanguageResult, Scores};
pub use tagging::Tagging;
pub use traits::{
    HeldOut, HeldOutTable, LabeledTask, LearnedLabels, Supervision, TargetKind, Task, UnlabeledTask,
};

pub(crate) use trees::trees;

/// The `[task]` table: what is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskConfig {
    /// One label a text, or a pair of texts.
    Classification(Classification),
    /// One BIO tag a token.
    Tagging(Tagging),
    /// One part of speech a word.
    PosTagging(PosTagging),
    /// A tree over the words of a sentence, and their parts of speech.
    Parsing(Parsing),
    /// Sentences find their translations.
    Retrieval(Retrieval),
    /// Masked tokens are guessed.
    LanguageModeling(LanguageModeling),
}

/// The rows of the registry, `[task.<key>]`: what is learned and how it is scored.
pub fn tasks() -> &'static [MethodInfo] {
    &[
        Classification::INFO,
        Tagging::INFO,
        PosTagging::INFO,
        Parsing::INFO,
        Retrieval::INFO,
        LanguageModeling::INFO,
    ]
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self::Classification(Classification {})
    }
}

impl Deref for TaskConfig {
    type Target = dyn Task;

    fn deref(&self) -> &(dyn Task + 'static) {
        match self {
            Self::Classification(task) => task,
            Self::Tagging(task) => task,
            Self::PosTagging(task) => task,
            Self::Parsing(task) => task,
            Self::Retrieval(task) => task,
            Self::LanguageModeling(task) => task,
        }
    }
}

impl TaskConfig {
    /// The task, if its examples have labels.
    pub fn labeled(&self) -> Option<&dyn LabeledTask> {
        match self.supervision() {
            Supervision::Labels(task) => Some(task),
            Supervision::HeldOutText(_) => None,
        }
    }

    /// The task, if it is scored on text without labels.
    pub fn unlabeled(&self) -> Option<&dyn UnlabeledTask> {
        match self.supervision() {
            Supervision::Labels(_) => None,
            Supervision::HeldOutText(task) => Some(task),
        }
    }

    /// Whether examples have labels to be learned.
    pub fn is_labeled(&self) -> bool {
        self.labeled().is_some()
    }

    /// What a row of the logits is trained towards; none without labels.
    pub fn target(&self) -> Option<TargetKind> {
        self.labeled().map(LabeledTask::target)
    }
}
