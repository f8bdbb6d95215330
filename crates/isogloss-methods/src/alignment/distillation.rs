//! A student puts a sentence and its translation where a teacher puts the sentence.

use burn::tensor::Tensor;
use isogloss_model::Pooling;
use serde::{Deserialize, Serialize};

use super::{AlignmentError, Faults};
use crate::Reduction;

/// Configures [`embedding_distillation`]. The recipe's `teacher` is the teacher, without dropout.
///
/// # Source
/// Reimers & Gurevych 2020, arXiv:2004.09813.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingDistillationConfig {
    /// The layer whose states are taken, counted from the embeddings' output, 0; the last by default.
    pub layer: Option<usize>,
    /// How a sentence becomes a vector, see [`sentence_vectors`](super::sentence_vectors).
    pub pooling: Pooling,
    /// From squares to the loss: over pairs and dimensions, or over pairs alone.
    pub reduction: Reduction,
    /// The width of the teacher's vectors, where it is not the student's: a linear map from one to the
    /// other is then trained beside the student.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_width: Option<usize>,
}

impl Default for EmbeddingDistillationConfig {
    fn default() -> Self {
        let (pooling, reduction) = (Pooling::Mean, Reduction::ElementMean);
        Self { layer: None, pooling, reduction, teacher_width: None }
    }
}

impl EmbeddingDistillationConfig {
    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Faults {
        no_width(self.teacher_width)
    }
}

/// `‖s(x) - t(x)‖² + ‖s(y) - t(x)‖²` for a sentence x and its translation y, over all pairs.
///
/// No gradient reaches the teacher's vectors.
///
/// # Shapes
/// - `student_source`, `student_target`, `teacher_source`: `[pairs, width]`
/// - returns: `[1]`; zero without pairs
///
/// # Errors
/// [`AlignmentError::Width`] if the widths differ.
///
/// # Source
/// Reimers & Gurevych 2020, arXiv:2004.09813, with the reduction of the authors' code, the mean
/// over dimensions too. Their code also takes the mean over both terms rather than their sum: a weight
/// of 0.5 gives that.
pub fn embedding_distillation(
    student_source: Tensor<2>,
    student_target: Tensor<2>,
    teacher_source: Tensor<2>,
    config: &EmbeddingDistillationConfig,
) -> Result<Tensor<1>, AlignmentError> {
    let [n_pairs, width] = teacher_source.dims();
    if n_pairs == 0 {
        return Ok(Tensor::zeros([1], &student_source.device()));
    }
    let student = student_source.dims()[1];
    if student != width {
        return Err(AlignmentError::Width { what: "dimensions", student, teacher: width });
    }
    let teacher = teacher_source.without_autodiff();
    let squares = |student: Tensor<2>| (student - teacher.clone()).square().sum();
    let total = squares(student_source) + squares(student_target);
    Ok(match config.reduction {
        Reduction::ElementMean => total / (n_pairs * width) as f64,
        Reduction::BatchMean => total / n_pairs as f64,
        Reduction::Sum => total,
    })
}

/// A projection to no width.
pub(super) fn no_width(teacher_width: Option<usize>) -> Faults {
    let fault = || ("teacher_width", "expected at least 1, found 0".to_owned());
    (teacher_width == Some(0)).then(fault).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn squares_of_both_sides_add_up() {
        let rows = |rows: [[f32; 2]; 2]| Tensor::<2>::from_floats(rows, &Device::flex());
        let source = rows([[1.0, 0.0], [0.0, 0.0]]);
        let target = rows([[0.0, 0.0], [0.0, 3.0]]);
        let teacher = rows([[0.0, 0.0], [0.0, 1.0]]);
        // 1 + 0 of the first pair, 1 + 4 of the second.
        for (reduction, expected) in
            [(Reduction::Sum, 6.0), (Reduction::BatchMean, 3.0), (Reduction::ElementMean, 1.5)]
        {
            let config = EmbeddingDistillationConfig { reduction, ..Default::default() };
            let (source, target, teacher) = (source.clone(), target.clone(), teacher.clone());
            let found = embedding_distillation(source, target, teacher, &config).unwrap();
            assert_eq!(found.into_scalar::<f32>(), expected, "{reduction:?}");
        }
    }
}
