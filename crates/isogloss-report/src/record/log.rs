//! Training log: the lines of `metrics.jsonl`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Log line, tagged by its kind.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    Train(TrainPoint),
    Dev(DevPoint),
    Measure(MeasurePoint),
    Conflict(ConflictPoint),
    Open {
        step: u64,
        layers: Vec<usize>,
        #[serde(default)]
        traces: Vec<f64>,
    },
    #[serde(other)]
    Other,
}

/// Gradient conflict: cosine similarities between the gradients of languages.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ConflictPoint {
    /// BCP-47 tags.
    pub(crate) languages: Vec<String>,
    /// Cosine similarity matrix, with a row for each language.
    pub(crate) cosines: Vec<Vec<f64>>,
}

/// Training log line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct TrainPoint {
    /// Optimizer step, from 1.
    pub(crate) step: u64,
    /// Training loss since the last line.
    pub(crate) loss: Option<f64>,
    /// Unweighted loss of each objective, in the recipe's order; empty if there is only one.
    #[serde(default)]
    pub(crate) losses: serde_json::Map<String, serde_json::Value>,
    /// Global gradient norm before clipping.
    pub(crate) grad_norm: Option<f64>,
    /// Learning rate.
    pub(crate) lr: Option<f64>,
    /// Throughput in tokens per second, padding not counted.
    pub(crate) tokens_per_sec: Option<f64>,
}

/// Evaluation on a development set during training.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct DevPoint {
    /// Optimizer step, from 1.
    pub(crate) step: u64,
    /// BCP-47 tag of the development set.
    pub(crate) language: String,
    /// Loss on the development set.
    pub(crate) loss: Option<f64>,
    /// Accuracy in 0..=1.
    pub(crate) accuracy: Option<f64>,
    /// Macro-F1 in 0..=1.
    pub(crate) macro_f1: Option<f64>,
    /// Span F1 in 0..=1.
    pub(crate) span_f1: Option<f64>,
    /// Labeled attachment score in 0..=1.
    pub(crate) las: Option<f64>,
    /// Zero-shot score: mean main score over some examples of each language that is not trained on,
    /// in 0..=1.
    pub(crate) mean_target: Option<f64>,
    /// The main score by language, if there are several; the other fields are then means over them.
    #[serde(default)]
    languages: BTreeMap<String, f64>,
}

/// Language name of the points that are means over languages.
pub(crate) const MEAN: &str = "mean of languages";

/// Maximum number of languages of one run that are drawn separately.
const MAX_DEV_LANGUAGES: usize = 8;

impl DevPoint {
    /// Splits an evaluation into a point for each language and one for their mean.
    pub(super) fn by_language(mut self) -> Vec<Self> {
        let languages = std::mem::take(&mut self.languages);
        if languages.len() < 2 {
            return vec![self];
        }
        self.language = MEAN.to_owned();
        if languages.len() > MAX_DEV_LANGUAGES {
            return vec![self];
        }
        let of_language = |(language, score): (String, f64)| Self {
            step: self.step,
            language,
            loss: None,
            accuracy: self.accuracy.and(Some(score)),
            macro_f1: None,
            span_f1: self.span_f1.and(Some(score)),
            las: self.las.and(Some(score)),
            mean_target: None,
            languages: BTreeMap::new(),
        };
        let mut points: Vec<Self> = languages.into_iter().map(of_language).collect();
        points.push(self);
        points
    }

    /// The value of a metric by its field name.
    pub(crate) fn score(&self, metric: &str) -> Option<f64> {
        match metric {
            "accuracy" => self.accuracy,
            "macro_f1" => self.macro_f1,
            "span_f1" => self.span_f1,
            "las" => self.las,
            _ => None,
        }
    }
}

/// Fisher information and sharpness of the model at one step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct MeasurePoint {
    /// Optimizer step; 0 is before training.
    pub(crate) step: u64,
    /// The Fisher information.
    pub(crate) fisher: Option<FisherTrace>,
    /// The sharpness.
    pub(crate) sharpness: Option<Sharpness>,
}

/// Trace of the Fisher information matrix, in nats per squared parameter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct FisherTrace {
    /// Estimator: `sampled`, `exact` or `empirical`.
    pub(crate) estimator: String,
    /// Trace over all parameters.
    pub(crate) trace: Option<f64>,
    /// Trace by block: `embeddings`, `layers.0`, …, `head`.
    #[serde(default)]
    pub(crate) blocks: BTreeMap<String, Option<f64>>,
}

/// Sharpness: the increase of the loss within a radius around the parameters, in nats.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Sharpness {
    /// Radius, in the space of all parameters.
    pub(crate) radius: f64,
    /// Increase along the gradient.
    pub(crate) adversarial: Option<f64>,
}
