//! `results.json`, the final evaluation of a run.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Final evaluation of a run, with the fields that the page shows.
///
/// More lenient than the `Results` that a run writes, so that runs of other versions can be read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Results {
    /// Task, such as `classification` or `tagging`.
    pub(crate) task: String,
    /// Field name of the main metric in [`LanguageResult`].
    pub(crate) metric: String,
    /// The source languages, the main one first.
    pub(crate) sources: Vec<String>,
    /// Checkpoint selection: how the evaluated checkpoint was chosen.
    pub(crate) selection: Option<Selection>,
    /// Scores by BCP-47 tag.
    pub(crate) languages: BTreeMap<String, LanguageResult>,
    /// Mean of the main metric over all languages but the source.
    pub(crate) mean_target: Option<f64>,
    /// The same mean after few-shot training on a few examples of each language.
    #[serde(default)]
    pub(crate) mean_few_shot: Option<f64>,
    /// Transfer gap: source score − mean target score.
    pub(crate) gap: Option<f64>,
}

impl Results {
    /// The source languages.
    pub(crate) fn sources(&self) -> Vec<&str> {
        self.sources.iter().map(String::as_str).collect()
    }

    /// Whether the run trained on a language.
    pub(crate) fn is_source(&self, language: &str) -> bool {
        self.sources().contains(&language)
    }
}

/// Checkpoint selection: the step that was evaluated, and the rule that chose it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Selection {
    /// The selection rule, in words.
    pub(crate) rule: String,
    /// The selected step.
    pub(crate) step: u64,
}

/// Scores in one language; which of them are present depends on the task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct LanguageResult {
    /// Number of examples scored.
    pub(crate) n: usize,
    /// Number of examples that could not be scored.
    #[serde(default)]
    pub(crate) left_out: usize,
    /// Number of scored examples that were truncated.
    #[serde(default)]
    pub(crate) truncated: usize,
    /// Number of scored examples of which a text has no token.
    #[serde(default)]
    pub(crate) without_tokens: usize,
    /// Whether the language's features were read by its language centring.
    #[serde(default)]
    pub(crate) centred: bool,
    /// Hash of the test data; none in results of an earlier version.
    pub(crate) data_hash: Option<String>,
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
    /// Labeled attachment score in 0..=1.
    pub(crate) las: Option<f64>,
    /// Unlabeled attachment score in 0..=1.
    pub(crate) uas: Option<f64>,
    /// Part-of-speech tagging accuracy (UPOS) in 0..=1.
    pub(crate) upos: Option<f64>,
}

impl LanguageResult {
    /// Number of examples in the test data: scored, and left out.
    pub(crate) fn n_examples(&self) -> usize {
        self.n + self.left_out
    }

    /// Whether both were scored on the same test data, as far as the results tell: by the hash of the
    /// data, or by the number of examples where either has no hash.
    pub(crate) fn has_same_data(&self, other: &Self) -> bool {
        match (&self.data_hash, &other.data_hash) {
            (Some(own), Some(others)) => own == others,
            _ => self.n_examples() == other.n_examples(),
        }
    }

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
