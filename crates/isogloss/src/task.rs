//! NLP tasks: classification, tagging, dependency parsing, retrieval and masked language modelling,
//! each with its options, examples, head, scores and selection metric.
//!
//! A new task is a file in `task/`, and a variant of [`TaskConfig`].

mod centring;
mod classification;
mod data_hash;
mod data_report;
mod evaluator;
mod label_predictor;
mod labeled_set;
mod language_modeling;
mod parsing;
mod pos_tagging;
mod reading;
mod results;
mod retrieval;
mod saved_language_adapter;
mod saved_scoring;
mod scores;
mod tagging;
mod traits;
mod trees;

use std::ops::Deref;

use isogloss_methods::MethodInfo;
use isogloss_model::HeadSpec;
use isogloss_text::TagUnits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use centring::{CENTRING, Centring, CentringBy, FeatureStatistics};
pub use classification::Classification;
pub use data_report::{CountInWords, DataReport};
pub use evaluator::{Evaluator, Scored};
pub use label_predictor::{LabelPredictor, Predictions};
pub use labeled_set::LabeledSet;
pub use language_modeling::LanguageModeling;
pub use parsing::Parsing;
pub use pos_tagging::PosTagging;
pub use reading::{SavedReading, ScoredSplit};
pub use results::{Results, Selection};
pub use retrieval::Retrieval;
pub use saved_language_adapter::SavedLanguageAdapter;
pub use saved_scoring::SavedScoring;
pub use scores::{LanguageResult, Scores};
pub use tagging::Tagging;
pub use traits::{
    HeldOut, HeldOutTable, LabeledTask, LearnedLabels, Supervision, TargetKind, Task, UnlabeledTask,
};

pub(crate) use trees::trees;

/// The `[task]` table: the task that the model is trained for and evaluated on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskConfig {
    /// Text classification: one label for each text, or pair of texts.
    Classification(Classification),
    /// Sequence tagging, such as named entities or slots: one BIO tag for each token.
    Tagging(Tagging),
    /// Part-of-speech tagging: one tag for each word.
    PosTagging(PosTagging),
    /// Dependency parsing: a tree over the words of a sentence, and their parts of speech.
    Parsing(Parsing),
    /// Sentence retrieval: finds the translation of each sentence.
    Retrieval(Retrieval),
    /// Masked language modelling: predicts masked tokens.
    LanguageModeling(LanguageModeling),
}

/// Method registry of tasks, `[task.<key>]`.
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
    /// The task as a supervised one, if its examples have labels.
    pub fn labeled(&self) -> Option<&dyn LabeledTask> {
        match self.supervision() {
            Supervision::Labels(task) => Some(task),
            Supervision::HeldOutText(_) => None,
        }
    }

    /// The task as an unsupervised one, if it is evaluated on unlabeled text.
    pub fn unlabeled(&self) -> Option<&dyn UnlabeledTask> {
        match self.supervision() {
            Supervision::Labels(_) => None,
            Supervision::HeldOutText(task) => Some(task),
        }
    }

    /// Whether the task is supervised: its examples have labels.
    pub fn is_labeled(&self) -> bool {
        self.labeled().is_some()
    }

    /// Prediction target of a row of the logits; none without labels.
    pub fn target(&self) -> Option<TargetKind> {
        self.labeled().map(LabeledTask::target)
    }

    /// Infers the task from a saved head without evaluation settings.
    pub(crate) fn for_head(head: &HeadSpec) -> Self {
        match head {
            HeadSpec::Sequence { .. } => Self::Classification(Classification {}),
            HeadSpec::Tokens { labels } if PosTagging::has_labels(labels) => {
                Self::PosTagging(PosTagging {})
            }
            HeadSpec::Tokens { .. } => Self::Tagging(Tagging { units: TagUnits::Word }),
            HeadSpec::Parser(spec) => Self::Parsing(Parsing::from_spec(spec)),
        }
    }
}
