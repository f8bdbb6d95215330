//! What the trainer hands to every objective of a step.

use burn::tensor::{Int, Tensor};
use isogloss_model::{ModelOutput, Projection};

use super::{PredictionUnits, RowTargets, Sentences, ViewOutput};
use crate::error::ObjectiveError;
use crate::view::{Role, View};
use crate::word_embedding::WordLinks;

/// The outputs of a step's passes, and what is known of its pairs.
#[derive(Clone, Debug, Default)]
pub struct StepInput {
    views: Vec<(View, ViewOutput)>,
    pub(crate) pairs: Option<PairInput>,
    negative_queues: Vec<(&'static str, Tensor<2>)>,
}

/// What the trainer knows of the step's pairs.
#[derive(Clone, Debug, Default)]
pub struct PairInput {
    /// The passes over them.
    pub sentences: Vec<(View, Sentences)>,
    /// Their words, and which of them translate each other.
    pub links: WordLinks,
    /// The projection heads of objectives: whose each is, beside which model, and the network.
    pub projections: Vec<(&'static str, Role, Projection)>,
    /// Masked tokens that language modeling is trained on beside them.
    pub n_masked: usize,
}

impl StepInput {
    /// A step whose passes are done.
    pub fn new(views: Vec<(View, ViewOutput)>) -> Self {
        Self { views, ..Self::default() }
    }

    /// A step of one pass over the texts as they are.
    pub fn original(output: ModelOutput, targets: Option<Tensor<1, Int>>) -> Self {
        let targets = targets.map(RowTargets::from);
        Self::new(vec![(
            View::ORIGINAL,
            ViewOutput { output, targets, units: PredictionUnits::Texts },
        )])
    }

    /// Adds the step's pairs.
    #[must_use]
    pub fn with_pairs(mut self, pairs: PairInput) -> Self {
        self.pairs = Some(pairs);
        self
    }

    /// Adds the negative queue of an objective, `[queue_size, width]`.
    #[must_use]
    pub fn with_negative_queue(mut self, objective: &'static str, keys: Tensor<2>) -> Self {
        self.negative_queues.push((objective, keys));
        self
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

    /// Masked tokens that language modelling is trained on in this step.
    pub fn n_masked(&self) -> usize {
        self.pairs.as_ref().map_or(0, |pairs| pairs.n_masked)
    }

    /// The output of a view of the task's examples or of masked text.
    ///
    /// # Errors
    /// If the step has no such view.
    pub fn view(&self, view: View, objective: &'static str) -> Result<&ViewOutput, ObjectiveError> {
        let found = self.views.iter().find(|(other, _)| *other == view);
        found.map(|(_, output)| output).ok_or(ObjectiveError::MissingView { objective, view })
    }

    /// The hidden states of one side of the step's pairs.
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

    /// The projection head that an objective trains beside a model, if it has one.
    pub fn projection(&self, objective: &'static str, role: Role) -> Option<&Projection> {
        let mut projections = self.pairs.iter().flat_map(|pairs| &pairs.projections);
        let found = projections.find(|(name, of, _)| *name == objective && *of == role);
        found.map(|(_, _, projection)| projection)
    }
}
