//! Evaluation of a model on labeled sets, language by language.

use std::collections::BTreeMap;

use burn::tensor::Device;
use isogloss_methods::Subnetwork;
use isogloss_model::{FeatureCentring, Model};
use isogloss_text::{LabelSet, Language};

use super::label_predictor::{LabelPredictor, Predictions};
use super::labeled_set::LabeledSet;
use super::results::{Results, Selection};
use super::scores::{LanguageResult, Scores};
use super::traits::LabeledTask;
use crate::Error;

/// Evaluator: predicts labeled sets with a model and computes their scores.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// The model.
    pub model: &'a Model,
    /// The task that it was trained for.
    pub task: &'a dyn LabeledTask,
    /// Its label set.
    pub labels: &'a LabelSet,
    /// Batch size.
    pub batch_size: usize,
    /// The device of the model, without autodiff.
    pub device: &'a Device,
    /// Subnetwork: the heads and feed-forward blocks that are used; the whole model if none.
    pub subnetwork: Option<&'a Subnetwork>,
    /// Language centring of the features, on the device; the features as they are if none.
    pub centring: Option<&'a FeatureCentring>,
}

/// Callback after the evaluation of each set, with its scores and predictions.
pub type Scored<'a> =
    dyn FnMut(&LabeledSet, &LanguageResult, &Predictions) -> Result<(), Error> + 'a;

impl Evaluator<'_> {
    /// Evaluates a set: its scores and predictions.
    ///
    /// # Errors
    /// If a batch is not valid input of the model, or a score of the model is not finite.
    pub fn score(&self, set: &LabeledSet) -> Result<(LanguageResult, Predictions), Error> {
        let (scores, predictions) = self.task.evaluate(&self.predictor(), self.labels, set)?;
        let result = LanguageResult {
            n: set.report.n,
            left_out: set.report.n_left_out(),
            truncated: set.report.n_truncated,
            without_tokens: set.report.n_without_tokens,
            centred: self.centring.is_some(),
            data_hash: Some(set.data_hash.clone()),
            scores,
        };
        Ok((result, predictions))
    }

    /// Computes the scores of predicted label ids.
    ///
    /// # Errors
    /// If there are no examples.
    pub fn scores(&self, gold: &[Vec<usize>], predicted: &[Vec<usize>]) -> Result<Scores, Error> {
        self.task.scores(self.labels, gold, predicted)
    }

    /// Evaluates every set, and summarizes zero-shot transfer.
    ///
    /// # Errors
    /// As [`score`](Self::score), and the errors of `scored`.
    pub fn score_all(
        &self,
        sets: &[LabeledSet],
        source: &Language,
        selection: Selection,
        scored: &mut Scored<'_>,
    ) -> Result<Results, Error> {
        let mut languages = BTreeMap::new();
        for set in sets {
            let (result, predicted) = self.score(set)?;
            scored(set, &result, &predicted)?;
            languages.insert(set.language.to_string(), result);
        }
        Ok(Results::new(self.task, std::slice::from_ref(source), selection, languages))
    }

    /// Predicts some examples: gold and predicted label ids, one for each text or for each labeled
    /// token.
    ///
    /// # Errors
    /// If the batch is not valid input of the model, or the results cannot be read from the device.
    pub async fn predict(
        &self,
        set: &LabeledSet,
        indices: &[usize],
    ) -> Result<Vec<(Vec<usize>, Vec<usize>)>, Error> {
        self.predictor().predict(set, indices).await
    }

    fn predictor(&self) -> LabelPredictor<'_> {
        let Self { model, batch_size, device, subnetwork, centring, .. } = *self;
        LabelPredictor { model, batch_size, device, subnetwork, centring }
    }
}
