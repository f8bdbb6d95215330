//! Scores of a model, language by language.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use isogloss_methods::IGNORE_INDEX;
use isogloss_model::{Model, Pass};
use isogloss_text::{LabelSet, Language, Targets, sequential_by_length};
use serde::{Deserialize, Serialize};

use crate::metrics::{ClassificationScores, SpanScores, TransferSummary};
use crate::{Error, LabeledSet, Task};

/// The scores of one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageResult {
    /// Examples scored.
    pub n: usize,
    /// Examples left out because the source language lacks their label.
    pub left_out: usize,
    /// Examples whose end was cut off.
    pub truncated: usize,
    /// The scores.
    #[serde(flatten)]
    pub scores: Scores,
}

/// The scores of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of whole texts.
    Classification {
        /// The share of right labels.
        accuracy: f64,
        /// The mean of the labels' F1, each label counting the same.
        macro_f1: f64,
    },
    /// Of spans, as seqeval counts them.
    Tagging {
        /// The harmonic mean of precision and recall.
        span_f1: f64,
        /// The share of predicted spans that are right.
        precision: f64,
        /// The share of true spans that were found.
        recall: f64,
    },
}

impl Scores {
    /// The score that models are chosen by: accuracy or span F1.
    pub fn main(&self) -> f64 {
        match self {
            Self::Classification { accuracy, .. } => *accuracy,
            Self::Tagging { span_f1, .. } => *span_f1,
        }
    }
}

/// What a run ends with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// `classification` or `tagging`.
    pub task: String,
    /// The name of the main score.
    pub metric: String,
    /// The language of training.
    pub source: String,
    /// How the model was chosen.
    pub selection: Selection,
    /// Scores by language.
    pub languages: BTreeMap<String, LanguageResult>,
    /// The mean of the main score over the languages without the source.
    pub mean_target: Option<f64>,
    /// The source's score minus that mean.
    pub gap: Option<f64>,
    /// How many languages the mean is over.
    pub n_targets: usize,
}

/// Which model of a run was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// In words.
    pub rule: String,
    /// Its optimizer step.
    pub step: u64,
    /// Its score by that rule.
    pub score: f64,
}

/// Predictions and targets of a set, and the mean loss.
pub(crate) struct Predictions {
    /// The predicted label of each logit row that has a target, by example.
    pub(crate) predicted: Vec<Vec<usize>>,
    /// The targets of the same rows.
    pub(crate) gold: Vec<Vec<usize>>,
}

/// Scores a set, and returns the predicted label ids of each example beside it.
///
/// # Errors
/// If a batch does not suit the model.
pub fn evaluate_set(
    model: &Model,
    set: &LabeledSet,
    task: &Task,
    labels: &LabelSet,
    batch_size: usize,
    device: &Device,
) -> Result<(LanguageResult, Vec<Vec<usize>>), Error> {
    let predictions = predict(&model.valid(), set, batch_size, device)?;
    let scores = match task {
        Task::Classification {} => {
            let flat = |rows: &[Vec<usize>]| rows.iter().flatten().copied().collect::<Vec<_>>();
            let (gold, predicted) = (flat(&predictions.gold), flat(&predictions.predicted));
            let scores = ClassificationScores::from_ids(&gold, &predicted)?;
            Scores::Classification { accuracy: scores.accuracy, macro_f1: scores.macro_f1 }
        }
        Task::Tagging { .. } => {
            let name = |id: &usize| labels.name(*id as u32).unwrap_or("O").to_owned();
            let names = |rows: &[Vec<usize>]| -> Vec<Vec<String>> {
                rows.iter().map(|row| row.iter().map(name).collect()).collect()
            };
            let scores = SpanScores::from_tags(
                &names(&predictions.gold),
                &names(&predictions.predicted),
            )?;
            let (precision, recall) = (scores.precision, scores.recall);
            Scores::Tagging { span_f1: scores.f1, precision, recall }
        }
    };
    let result = LanguageResult {
        n: set.report.n,
        left_out: set.report.n_left_out(),
        truncated: set.report.n_truncated,
        scores,
    };
    Ok((result, predictions.predicted))
}

fn predict(
    model: &Model,
    set: &LabeledSet,
    batch_size: usize,
    device: &Device,
) -> Result<Predictions, Error> {
    let n = set.features.len();
    let mut predictions = Predictions { predicted: vec![Vec::new(); n], gold: vec![Vec::new(); n] };
    for indices in sequential_by_length(&set.lengths(), batch_size) {
        let (batch, input) = set.batch(&indices, model.encoder.config(), device)?;
        let logits = model.forward(&input, &Pass::evaluation()).logits;
        let best: Vec<i64> = logits.argmax(1).into_data().convert::<i64>().try_into_vec().map_err(
            |_| Error::Unsuitable("the device returned predictions of an unexpected type".into()),
        )?;
        let (targets, rows_per_example) = match &batch.targets {
            Targets::None => (&[][..], 1),
            Targets::Classes(classes) => (classes.as_slice(), 1),
            Targets::Tokens(tags) => (tags.as_slice(), batch.seq_len),
        };
        for (row, (best, target)) in best.iter().zip(targets).enumerate() {
            if i64::from(*target) != IGNORE_INDEX {
                let example = indices[row / rows_per_example];
                predictions.predicted[example].push(*best as usize);
                predictions.gold[example].push(*target as usize);
            }
        }
    }
    Ok(predictions)
}

/// Scores every set and sums them up.
///
/// `done` is called after each language.
///
/// # Errors
/// As [`evaluate_set`].
#[expect(clippy::too_many_arguments, reason = "each is a separate decision of the caller")]
pub fn evaluate(
    model: &Model,
    sets: &[LabeledSet],
    task: &Task,
    labels: &LabelSet,
    source: &Language,
    selection: Selection,
    batch_size: usize,
    device: &Device,
    done: &mut dyn FnMut(&LabeledSet, &LanguageResult, &[Vec<usize>]) -> Result<(), Error>,
) -> Result<Results, Error> {
    let mut languages = BTreeMap::new();
    for set in sets {
        let (result, predicted) = evaluate_set(model, set, task, labels, batch_size, device)?;
        done(set, &result, &predicted)?;
        languages.insert(set.language.to_string(), result);
    }
    let main = languages.iter().map(|(tag, result)| (tag.clone(), result.scores.main())).collect();
    let summary = TransferSummary::from_scores(source.as_str(), &main);
    Ok(Results {
        task: match task {
            Task::Classification {} => "classification".to_owned(),
            Task::Tagging { .. } => "tagging".to_owned(),
        },
        metric: task.metric().to_owned(),
        source: source.to_string(),
        selection,
        languages,
        mean_target: summary.mean_target,
        gap: summary.gap,
        n_targets: summary.n_targets,
    })
}
