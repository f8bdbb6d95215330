//! Input of the objectives in a training step.

use burn::tensor::{Int, Tensor};
use isogloss_model::{ModelOutput, Projection};

use super::{PredictionUnits, RowTargets, Sentences, ViewOutput};
use crate::error::ObjectiveError;
use crate::view::{Role, View};
use crate::word_embedding::WordLinks;

/// Input of the objectives in a training step: model outputs of the views, and the sentence pairs.
#[derive(Clone, Debug, Default)]
pub struct StepInput {
    views: Vec<(View, ViewOutput)>,
    pub(crate) pairs: Option<PairInput>,
    negative_queues: Vec<(&'static str, Tensor<2>)>,
    statistics: Vec<(&'static str, Tensor<2>)>,
}

/// Sentence pairs of a training step: encoder outputs, word alignments, projection heads.
#[derive(Clone, Debug, Default)]
pub struct PairInput {
    /// Encoder outputs of the views of the pairs.
    pub sentences: Vec<(View, Sentences)>,
    /// Words of the pairs and their alignment links.
    pub links: WordLinks,
    /// Projection heads: name of the objective, role of the model that the head is beside, and the
    /// network.
    pub projections: Vec<(&'static str, Role, Projection)>,
    /// Sample size (fairseq): sentences and masked tokens of the batch together, if the losses over
    /// them are divided by it; see [`Needs::sample_text`](crate::Needs::sample_text).
    pub sample_size: Option<usize>,
}

impl StepInput {
    /// Creates the input from the model outputs of the views.
    pub fn new(views: Vec<(View, ViewOutput)>) -> Self {
        Self { views, ..Self::default() }
    }

    /// Creates the input of a step with one pass over the original texts.
    pub fn original(output: ModelOutput, targets: Option<Tensor<1, Int>>) -> Self {
        let targets = targets.map(RowTargets::from);
        Self::new(vec![(
            View::ORIGINAL,
            ViewOutput { output, targets, units: PredictionUnits::Texts },
        )])
    }

    /// Adds the step's sentence pairs.
    #[must_use]
    pub fn with_pairs(mut self, pairs: PairInput) -> Self {
        self.pairs = Some(pairs);
        self
    }

    /// Adds the rows of an objective's state, `[rows, width]`.
    #[must_use]
    pub fn with_negative_queue(mut self, objective: &'static str, keys: Tensor<2>) -> Self {
        self.negative_queues.push((objective, keys));
        self
    }

    /// Adds the statistics of an objective's state, `[rows, width]`.
    #[must_use]
    pub fn with_statistics(mut self, objective: &'static str, statistics: Tensor<2>) -> Self {
        self.statistics.push((objective, statistics));
        self
    }

    /// The statistics of an objective's state, see
    /// [`MethodState::statistics`](crate::MethodState::statistics); `None` before the first step.
    pub fn statistics(&self, objective: &'static str) -> Option<Tensor<2>> {
        let mut statistics = self.statistics.iter();
        statistics.find(|(of, _)| *of == objective).map(|(_, statistics)| statistics.clone())
    }

    /// The negative queue of an objective, see
    /// [`MethodState::negative_queue`](crate::MethodState::negative_queue).
    ///
    /// # Errors
    /// [`ObjectiveError::MissingNegativeQueue`] if it has none.
    pub fn negative_queue(&self, objective: &'static str) -> Result<Tensor<2>, ObjectiveError> {
        let found = self.negative_queues.iter().find(|(of, _)| *of == objective);
        found
            .map(|(_, keys)| keys.clone())
            .ok_or(ObjectiveError::MissingNegativeQueue { objective })
    }

    /// Share of `n` sentences or masked tokens in the sample size of the batch, the factor of the
    /// mean over them in a sum over all that is divided by the sample size; 1 if none is set.
    pub fn sample_share(&self, n: usize) -> f64 {
        let size = self.pairs.as_ref().and_then(|pairs| pairs.sample_size);
        size.map_or(1.0, |size| n as f64 / size.max(1) as f64)
    }

    /// Model output of a view of the task's examples or of masked text.
    ///
    /// # Errors
    /// If the step has no such view.
    pub fn view(&self, view: View, objective: &'static str) -> Result<&ViewOutput, ObjectiveError> {
        let found = self.views.iter().find(|(other, _)| *other == view);
        found.map(|(_, output)| output).ok_or(ObjectiveError::MissingView { objective, view })
    }

    /// Encoder output of a view of one side of the step's sentence pairs.
    ///
    /// # Errors
    /// If the step has no such view.
    pub fn sentences(
        &self,
        view: View,
        objective: &'static str,
    ) -> Result<&Sentences, ObjectiveError> {
        let sentences = self.pairs.iter().flat_map(|pairs| &pairs.sentences);
        let found = sentences.into_iter().find(|(other, _)| *other == view);
        found.map(|(_, output)| output).ok_or(ObjectiveError::MissingView { objective, view })
    }

    /// Projection head that an objective trains beside the model of a role, if it has one.
    pub fn projection(&self, objective: &'static str, role: Role) -> Option<&Projection> {
        let mut projections = self.pairs.iter().flat_map(|pairs| &pairs.projections);
        let found = projections.find(|(name, of, _)| *name == objective && *of == role);
        found.map(|(_, _, projection)| projection)
    }
}
