//! Hidden-state distillation (TinyBERT, Jiao et al. 2020): trains the student's hidden states to
//! match the teacher's, layer by layer.

use burn::tensor::Tensor;
use isogloss_kernels::sum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distilled_sides::{DistilledSides, no_layers};
use crate::error::{AlignmentError, ObjectiveError};
use crate::faults::{Faults, at_least_one};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::{Needs, Width};
use crate::step::StepInput;
use crate::view::Role;

/// Hidden-state distillation (TinyBERT): mean squared error of hidden states, see
/// [`state_distillation`]. The teacher is the recipe's `teacher`, without dropout.
///
/// Related: [`AttentionDistillationConfig`](super::AttentionDistillationConfig), and
/// [`EmbeddingDistillationConfig`](super::EmbeddingDistillationConfig) for sentence embeddings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StateDistillationConfig {
    /// Layer pairs `[student, teacher]`: the student's layer learns from the teacher's. Both are
    /// counted from the embeddings' output, 0.
    pub layers: Vec<[usize; 2]>,
    /// Which side of the sentence pairs is read.
    pub sides: DistilledSides,
    /// Hidden size of the teacher, if it differs from the student's: a linear projection of the
    /// student's hidden states to this size is then trained beside the student, one for all layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_width: Option<usize>,
}

impl Method for StateDistillationConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "state_distillation",
        title: "Hidden-state distillation (TinyBERT)",
        paper: "Jiao et al. 2020, TinyBERT, arXiv:1909.10351",
        formula: "mean over real tokens and dimensions of (W h_student - h_teacher)²",
        needs: &[DataNeed::Pairs, DataNeed::Teacher],
        file: file!(),
        required: &["layers"],
        example: || options(Self { layers: vec![[2, 4]], ..Self::default() }),
    };

    fn faults(&self) -> Faults {
        let width =
            self.teacher_width.and_then(|width| at_least_one("teacher_width", width as u64));
        no_layers(&self.layers).into_iter().chain(width).collect()
    }
}

impl Objective for StateDistillationConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let projection_head =
            self.teacher_width.map(|width| vec![Width::Hidden, Width::Fixed(width)]);
        Needs { views: self.sides.views(), projection_head, ..Needs::default() }
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let projection = input.projection(self.name(), Role::Student);
        self.sides.mean(input, self.name(), &self.layers, |student, teacher, [layer, followed]| {
            let mut states = student.states(Some(layer))?;
            if let Some(projection) = projection {
                let [batch, seq, width] = states.dims();
                let rows = projection.forward(states.reshape([batch * seq, width]));
                let width = rows.dims()[1];
                states = rows.reshape([batch, seq, width]);
            }
            let mask = student.attention_mask.clone();
            state_distillation(states, teacher.states(Some(followed))?, mask)
        })
    }
}

/// Hidden-state distillation loss (TinyBERT): the mean squared error of two layers' hidden states,
/// over real tokens and dimensions.
///
/// The teacher's hidden states get no gradient.
///
/// # Shapes
/// - `student`, `teacher`: `[batch, seq, width]`
/// - `attention_mask`: `[batch, seq]`, 1 for a real token, at least one
/// - returns: `[1]`
///
/// # Errors
/// [`AlignmentError::Width`] if the widths differ.
///
/// # Source
/// Jiao et al. 2020, TinyBERT, arXiv:1909.10351, eq. 8 (and eq. 9 for layer 0), padding left out.
pub fn state_distillation(
    student: Tensor<3>,
    teacher: Tensor<3>,
    attention_mask: Tensor<2>,
) -> Result<Tensor<1>, AlignmentError> {
    let [batch, seq, width] = student.dims();
    let found = teacher.dims()[2];
    if found != width {
        return Err(AlignmentError::Width { what: "dimensions", student: width, teacher: found });
    }
    let mask = attention_mask.reshape([batch, seq, 1]);
    let n_numbers = sum(mask.clone()) * width as f64;
    let squares = (student - teacher.detach()).square() * mask;
    Ok(sum(squares) / n_numbers)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn padding_counts_for_nothing() {
        let device = Device::flex();
        let mask = Tensor::from_floats([[1.0, 0.0]], &device);
        let student = Tensor::from_floats([[[1.0, 2.0], [9.0, 9.0]]], &device);
        let teacher = Tensor::from_floats([[[1.0, 4.0], [0.0, 0.0]]], &device);
        let loss = state_distillation(student, teacher, mask).unwrap();
        assert_eq!(loss.into_scalar::<f32>(), 2.0);
    }

    #[test]
    fn widths_must_be_those_of_the_teacher() {
        let device = Device::flex();
        let states = |width| Tensor::zeros([1, 1, width], &device);
        let mask = Tensor::ones([1, 1], &device);
        let error = state_distillation(states(2), states(3), mask).unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 dimensions in the student, 3 in the teacher: they must be as many"
        );
    }

    #[test]
    fn layers_must_be_named() {
        assert_eq!(StateDistillationConfig::default().faults()[0].0, "layers");
    }
}
