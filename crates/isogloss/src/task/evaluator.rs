//! Evaluation of a model on labeled sets, language by language.

use std::collections::BTreeMap;

use burn::tensor::Device;
use isogloss_methods::Subnetwork;
use isogloss_model::Model;
use isogloss_text::{LabelSet, Language};

use super::label_predictor::{LabelPredictor, Predictions};
use super::labeled_set::LabeledSet;
use super::results::{Results, Selection};
use super::scores::{LanguageResult, Scores};
use super::traits::LabeledTask;
use crate::Error;

/// Evaluates a model on labeled sets.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// The model.
    pub model: &'a Model,
    /// What it was trained for.
    pub task: &'a dyn LabeledTask,
    /// The names of its labels.
    pub labels: &'a LabelSet,
    /// Examples of one pass.
    pub batch_size: usize,
    /// Where the model is, without autodiff.
    pub device: &'a Device,
    /// The parts of it that are used; all of them if none.
    pub subnetwork: Option<&'a Subnetwork>,
}

/// Called after each set, with its scores and the predictions.
pub type Scored<'a> =
    dyn FnMut(&LabeledSet, &LanguageResult, &Predictions) -> Result<(), Error> + 'a;

impl Evaluator<'_> {
    /// The scores of a set, and the predictions.
    ///
    /// # Errors
    /// If a batch does not suit the model.
    pub fn score(&self, set: &LabeledSet) -> Result<(LanguageResult, Predictions), Error> {
        let (scores, predictions) = self.task.evaluate(&self.predictor(), self.labels, set)?;
        let result = LanguageResult {
            n: set.report.n,
            left_out: set.report.n_left_out(),
            truncated: set.report.n_truncated,
            scores,
        };
        Ok((result, predictions))
    }

    /// Scores predicted label ids of examples.
    ///
    /// # Errors
    /// If there are none.
    pub fn scores(&self, gold: &[Vec<usize>], predicted: &[Vec<usize>]) -> Result<Scores, Error> {
        self.task.scores(self.labels, gold, predicted)
    }

    /// Scores every set, and sums up zero-shot transfer.
    ///
    /// # Errors
    /// As [`score`](Self::score), and those of `scored`.
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

    /// The gold and the predicted label ids of some examples: one of a text, one of each labeled token.
    ///
    /// # Errors
    /// If the batch does not suit the model, or the device does not give back its numbers.
    pub async fn predict(
        &self,
        set: &LabeledSet,
        indices: &[usize],
    ) -> Result<Vec<(Vec<usize>, Vec<usize>)>, Error> {
        self.predictor().predict(set, indices).await
    }

    fn predictor(&self) -> LabelPredictor<'_> {
        let Self { model, batch_size, device, subnetwork, .. } = *self;
        LabelPredictor { model, batch_size, device, subnetwork }
    }
}
