//! Attention distillation (MiniLM, Wang et al. 2020): trains the student's attention maps to match
//! the teacher's, layer by layer.

use burn::tensor::Tensor;
use isogloss_kernels::sum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distilled_sides::{DistilledSides, no_layers};
use crate::error::{AlignmentError, ObjectiveError};
use crate::faults::Faults;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::StepInput;
use crate::view::Role;

/// Attention distillation (MiniLM): KL divergence between the attention maps of teacher and
/// student, see [`attention_distillation`]. The teacher is the recipe's `teacher`, without dropout.
///
/// Related: [`StateDistillationConfig`](super::StateDistillationConfig).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionDistillationConfig {
    /// Layer pairs `[student, teacher]`: the student's layer learns from the teacher's. Both are
    /// counted from 1, the first block, and must have the same number of heads.
    pub layers: Vec<[usize; 2]>,
    /// Which side of the sentence pairs is read.
    pub sides: DistilledSides,
}

impl Method for AttentionDistillationConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "attention_distillation",
        title: "Attention distillation (MiniLM)",
        paper: "Wang et al. 2020, MiniLM, arXiv:2002.10957",
        formula: "mean over heads and real tokens of KL(A_teacher‖A_student)",
        needs: &[DataNeed::Pairs, DataNeed::Teacher],
        file: file!(),
        required: &["layers"],
        example: || options(Self { layers: vec![[2, 4]], ..Self::default() }),
    };

    fn faults(&self) -> Faults {
        let below = self.layers.iter().flatten().any(|layer| *layer == 0);
        let below = below
            .then(|| ("layers", "the embeddings, 0, have no attention: count from 1".to_owned()));
        no_layers(&self.layers).into_iter().chain(below).collect()
    }
}

impl Objective for AttentionDistillationConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let student = self.layers.iter().map(|[student, _]| (Role::Student, *student));
        let teacher = self.layers.iter().map(|[_, teacher]| (Role::Teacher, *teacher));
        let attention_maps = student.chain(teacher).collect();
        Needs { views: self.sides.views(), attention_maps, ..Needs::default() }
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        self.sides.mean(input, self.name(), &self.layers, |student, teacher, [layer, followed]| {
            let mask = student.attention_mask.clone();
            attention_distillation(student.attention(layer)?, teacher.attention(followed)?, mask)
        })
    }
}

/// Attention distillation loss (MiniLM): `KL(t ‖ s)` of attention maps, the mean over heads and
/// real tokens.
///
/// The teacher's maps get no gradient.
///
/// # Shapes
/// - `student`, `teacher`: `[batch, heads, seq, seq]`, log-probabilities over the last dimension,
///   see [`Encoder::attention_log_probs`](isogloss_model::Encoder::attention_log_probs)
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
    let n_rows = sum(mask.clone()) * n_heads as f64;
    let teacher = teacher.detach();
    let difference = teacher.clone() - student;
    let divergence = (teacher.exp() * difference).sum_dim(3) * mask;
    Ok(sum(divergence) / n_rows)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn padding_counts_for_nothing() {
        let device = Device::flex();
        let mask = Tensor::from_floats([[1.0, 0.0]], &device);
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
    fn heads_must_be_those_of_the_teacher() {
        let device = Device::flex();
        let heads = |n| Tensor::zeros([1, n, 1, 1], &device);
        let error = attention_distillation(heads(2), heads(4), Tensor::ones([1, 1], &device));
        assert_eq!(
            error.unwrap_err().to_string(),
            "2 heads in the student, 4 in the teacher: they must be as many"
        );
    }

    #[test]
    fn layers_must_be_named_and_have_attention() {
        let attention = |layers| AttentionDistillationConfig { layers, ..Default::default() };
        assert_eq!(attention(Vec::new()).faults()[0].0, "layers");
        assert_eq!(attention(vec![[1, 3]]).faults(), []);
        assert_eq!(attention(vec![[0, 3]]).faults()[0].0, "layers");
    }
}
