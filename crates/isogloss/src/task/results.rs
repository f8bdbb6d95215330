//! Evaluation results of a run: scores by language, zero-shot transfer and model selection.

use std::collections::BTreeMap;

use isogloss_text::Language;
use serde::{Deserialize, Serialize};

use super::data_report::DataReport;
use super::scores::{LanguageResult, Scores};
use super::traits::Task;
use crate::metrics::TransferSummary;

/// Evaluation results of a run: scores by language, zero-shot transfer and model selection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Name of the task, such as `classification`.
    pub task: String,
    /// Name of the main score, the selection metric of the task.
    pub metric: String,
    /// The source languages, the main one first.
    pub sources: Vec<String>,
    /// Model selection.
    pub selection: Selection,
    /// Scores by language.
    pub languages: BTreeMap<String, LanguageResult>,
    /// Zero-shot transfer: the mean of the main score over the languages that were not trained on.
    pub mean_target: Option<f64>,
    /// Transfer gap: the score of the source, or the mean over all sources, minus `mean_target`.
    pub gap: Option<f64>,
    /// Number of languages in `mean_target`.
    pub n_targets: usize,
    /// Few-shot scores of the languages that were not trained on, if the recipe has a `[few_shot]`
    /// table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub few_shot: BTreeMap<String, Scores>,
    /// Mean of the main score in few-shot transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_few_shot: Option<f64>,
    /// Counts of what was truncated, lost and left out in the data of the run; `None` for a run of
    /// an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataReport>,
}

impl Results {
    /// Summarizes the scores of all languages.
    pub fn new(
        task: &dyn Task,
        sources: &[Language],
        selection: Selection,
        languages: BTreeMap<String, LanguageResult>,
    ) -> Self {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let main =
            languages.iter().map(|(tag, result)| (tag.clone(), result.scores.main())).collect();
        let tags: Vec<&str> = sources.iter().map(String::as_str).collect();
        let summary = TransferSummary::from_scores(&tags, &main);
        Self {
            task: task.name().to_owned(),
            metric: task.metric().to_owned(),
            sources,
            selection,
            languages,
            mean_target: summary.mean_target,
            gap: summary.gap,
            n_targets: summary.n_targets,
            few_shot: BTreeMap::new(),
            mean_few_shot: None,
            data: None,
        }
    }

    /// Adds the few-shot scores of languages.
    pub(crate) fn with_few_shot(self, few_shot: BTreeMap<String, Scores>) -> Self {
        let n = few_shot.len() as f64;
        let sum: f64 = few_shot.values().map(Scores::main).sum();
        Self { mean_few_shot: (n > 0.0).then_some(sum / n), few_shot, ..self }
    }

    /// The main source language.
    pub fn source(&self) -> &str {
        self.sources.first().map_or("", String::as_str)
    }

    /// Whether a language was trained on.
    pub fn is_source(&self, language: &str) -> bool {
        self.sources.iter().any(|source| source == language)
    }
}

/// Model selection: which model of a run was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// The selection rule, in words.
    pub rule: String,
    /// The optimizer step of the selected model.
    pub step: u64,
    /// The score of the selected model by that rule.
    pub score: f64,
}
