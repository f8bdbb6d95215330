//! `results.json`, the final evaluation of a run.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The final evaluation of a run, as far as the page shows it.
///
/// Laxer than the `Results` that a run writes, so that reports of runs of other versions can be made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Results {
    /// `classification` or `tagging`.
    pub(crate) task: String,
    /// Field name of the main metric in [`LanguageResult`].
    pub(crate) metric: String,
    /// The source languages, the main one first.
    pub(crate) sources: Vec<String>,
    /// How the evaluated checkpoint was chosen.
    pub(crate) selection: Option<Selection>,
    /// Scores by BCP-47 tag.
    pub(crate) languages: BTreeMap<String, LanguageResult>,
    /// Mean of the main metric over all languages but the source.
    pub(crate) mean_target: Option<f64>,
    /// The same after a few examples of each.
    #[serde(default)]
    pub(crate) mean_few_shot: Option<f64>,
    /// Source score − mean target score.
    pub(crate) gap: Option<f64>,
}

impl Results {
    /// The source languages.
    pub(crate) fn sources(&self) -> Vec<&str> {
        self.sources.iter().map(String::as_str).collect()
    }

    /// Whether a language was trained on.
    pub(crate) fn is_source(&self, language: &str) -> bool {
        self.sources().contains(&language)
    }
}

/// Which checkpoint was evaluated, and why that one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Selection {
    /// The rule in words.
    pub(crate) rule: String,
    /// The step chosen.
    pub(crate) step: u64,
}

/// Scores in one language; which are there depends on the task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct LanguageResult {
    /// Number of examples scored.
    pub(crate) n: usize,
    /// Number of examples that could not be scored.
    #[serde(default)]
    pub(crate) left_out: usize,
    /// Number of examples scored without their end.
    #[serde(default)]
    pub(crate) truncated: usize,
    /// Accuracy in 0..=1.
    pub(crate) accuracy: Option<f64>,
    /// Macro-F1 in 0..=1.
    pub(crate) macro_f1: Option<f64>,
    /// Span F1 in 0..=1.
    pub(crate) span_f1: Option<f64>,
    /// Span precision in 0..=1.
    pub(crate) precision: Option<f64>,
    /// Span recall in 0..=1.
    pub(crate) recall: Option<f64>,
    /// Labeled attachment in 0..=1.
    pub(crate) las: Option<f64>,
    /// Unlabeled attachment in 0..=1.
    pub(crate) uas: Option<f64>,
    /// Share of right parts of speech, in 0..=1.
    pub(crate) upos: Option<f64>,
}

impl LanguageResult {
    /// The value of a metric by its field name.
    pub(crate) fn score(&self, metric: &str) -> Option<f64> {
        match metric {
            "accuracy" => self.accuracy,
            "macro_f1" => self.macro_f1,
            "span_f1" => self.span_f1,
            "precision" => self.precision,
            "recall" => self.recall,
            "las" => self.las,
            "uas" => self.uas,
            "upos" => self.upos,
            _ => None,
        }
    }
}
