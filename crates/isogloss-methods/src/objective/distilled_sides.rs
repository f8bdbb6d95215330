//! Layer-wise distillation over sentence pairs: which side is read, and the mean of the losses.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{AlignmentError, ObjectiveError};
use crate::step::{Sentences, StepInput};
use crate::view::{TextView, View};

/// Which side of the step's sentence pairs student and teacher read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DistilledSides {
    /// Both sentences of each pair.
    #[default]
    Both,
    /// The first sentence of each pair.
    Left,
    /// The second sentence of each pair.
    Right,
}

impl DistilledSides {
    fn texts(self) -> &'static [TextView] {
        match self {
            Self::Both => &[TextView::PairLeft, TextView::PairRight],
            Self::Left => &[TextView::PairLeft],
            Self::Right => &[TextView::PairRight],
        }
    }

    /// Views of student and teacher over each side.
    pub(super) fn views(self) -> Vec<View> {
        let texts = self.texts().iter();
        texts.flat_map(|text| [View::student(*text), View::teacher(*text)]).collect()
    }

    /// Mean of a loss over sides and over layer pairs, student and teacher.
    pub(super) fn mean(
        self,
        input: &StepInput,
        objective: &'static str,
        layers: &[[usize; 2]],
        loss: impl Fn(&Sentences, &Sentences, [usize; 2]) -> Result<Tensor<1>, AlignmentError>,
    ) -> Result<Tensor<1>, ObjectiveError> {
        let mut losses = Vec::new();
        for text in self.texts() {
            let student = input.sentences(View::student(*text), objective)?;
            let teacher = input.sentences(View::teacher(*text), objective)?;
            for layers in layers {
                let loss = loss(student, teacher, *layers);
                losses.push(loss.map_err(ObjectiveError::alignment(objective))?);
            }
        }
        Ok(Tensor::cat(losses, 0).mean())
    }
}

/// Validation error if no layer is given.
pub(super) fn no_layers(layers: &[[usize; 2]]) -> Option<(&'static str, String)> {
    layers.is_empty().then(|| ("layers", "name at least one [student, teacher]".to_owned()))
}
