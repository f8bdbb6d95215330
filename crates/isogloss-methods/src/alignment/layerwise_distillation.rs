//! A student's layers do what a teacher's do: their hidden states, or where their tokens look.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::distillation::no_width;
use super::{AlignmentError, Faults};

/// Configures [`state_distillation`]. The recipe's `teacher` is the teacher, without dropout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateDistillationConfig {
    /// A layer of the student and that of the teacher which it follows, both counted from the
    /// embeddings' output, 0.
    pub layers: Vec<[usize; 2]>,
    /// Which sentences of the pairs are read.
    pub sides: DistilledSides,
    /// The width of the teacher's states, where it is not the student's: a linear map from one to the
    /// other is then trained beside the student, one for all layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_width: Option<usize>,
}

/// Configures [`attention_distillation`]. The recipe's `teacher` is the teacher, without dropout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionDistillationConfig {
    /// A layer of the student and that of the teacher which it follows, both counted from 1, the first
    /// block. Both must have the same number of heads.
    pub layers: Vec<[usize; 2]>,
    /// Which sentences of the pairs are read.
    pub sides: DistilledSides,
}

/// Which sentences of the step's pairs student and teacher read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistilledSides {
    /// Both.
    #[default]
    Both,
    /// The first of each pair.
    Left,
    /// The second.
    Right,
}

impl StateDistillationConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Faults {
        no_layers(&self.layers).into_iter().chain(no_width(self.teacher_width)).collect()
    }
}

impl AttentionDistillationConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Faults {
        let below = self.layers.iter().flatten().any(|layer| *layer == 0);
        let below = below
            .then(|| ("layers", "the embeddings, 0, have no attention: count from 1".to_owned()));
        no_layers(&self.layers).into_iter().chain(below).collect()
    }
}

fn no_layers(layers: &[[usize; 2]]) -> Option<(&'static str, String)> {
    layers.is_empty().then(|| ("layers", "name at least one [student, teacher]".to_owned()))
}

/// The mean square of the difference of two layers' states, over real tokens and dimensions.
///
/// No gradient reaches the teacher's states.
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
    let n_numbers = mask.clone().sum() * width as f64;
    let squares = (student - teacher.detach()).square() * mask;
    Ok(squares.sum() / n_numbers)
}

/// `KL(t ‖ s)` of where tokens look, the mean over heads and real tokens.
///
/// No gradient reaches the teacher's.
///
/// # Shapes
/// - `student`, `teacher`: `[batch, heads, seq, seq]`, logarithms of probabilities over the last
///   dimension, see [`Encoder::attention_log_probs`](isogloss_model::Encoder::attention_log_probs)
/// - `attention_mask`: `[batch, seq]`, 1 for a real token, at least one
/// - returns: `[1]`, in nats
///
/// # Errors
/// [`AlignmentError::Width`] if the numbers of heads differ.
///
/// # Source
/// Wang et al. 2020, MiniLM, arXiv:2002.10957, eq. 6, padding left out.
pub fn attention_distillation(
    student: Tensor<4>,
    teacher: Tensor<4>,
    attention_mask: Tensor<2>,
) -> Result<Tensor<1>, AlignmentError> {
    let [batch, n_heads, seq, _] = student.dims();
    let found = teacher.dims()[1];
    if found != n_heads {
        return Err(AlignmentError::Width { what: "heads", student: n_heads, teacher: found });
    }
    let mask = attention_mask.reshape([batch, 1, seq, 1]);
    let n_rows = mask.clone().sum() * n_heads as f64;
    let teacher = teacher.detach();
    let difference = teacher.clone() - student;
    let divergence = (teacher.exp() * difference).sum_dim(3) * mask;
    Ok(divergence.sum() / n_rows)
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
        let loss = state_distillation(student, teacher, mask.clone()).unwrap();
        assert_eq!(loss.into_scalar::<f32>(), 2.0);

        let probs = |rows: [[f32; 2]; 2]| {
            Tensor::<2>::from_floats(rows, &device).log().reshape([1, 1, 2, 2])
        };
        let (student, teacher) =
            (probs([[0.5, 0.5], [0.9, 0.1]]), probs([[0.25, 0.75], [0.5, 0.5]]));
        let loss = attention_distillation(student, teacher, mask).unwrap().into_scalar::<f32>();
        let expected = 0.25 * 0.5f32.ln() + 0.75 * 1.5f32.ln();
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
    }

    #[test]
    fn sizes_must_be_those_of_the_teacher() {
        let device = Device::flex();
        let mask = Tensor::ones([1, 1], &device);
        let states = |width| Tensor::zeros([1, 1, width], &device);
        let error = state_distillation(states(2), states(3), mask.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 dimensions in the student, 3 in the teacher: they must be as many"
        );
        let heads = |n| Tensor::zeros([1, n, 1, 1], &device);
        let error = attention_distillation(heads(2), heads(4), mask).unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 heads in the student, 4 in the teacher: they must be as many"
        );
    }

    #[test]
    fn layers_must_be_named_and_have_attention() {
        assert_eq!(StateDistillationConfig::default().faults()[0].0, "layers");
        let attention = |layers| AttentionDistillationConfig { layers, ..Default::default() };
        assert_eq!(attention(vec![[1, 3]]).faults(), []);
        assert_eq!(attention(vec![[0, 3]]).faults()[0].0, "layers");
    }
}
