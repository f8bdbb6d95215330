//! Multilingual embedding distillation (Reimers & Gurevych 2020): trains the student's embeddings
//! of a sentence and of its translation to match the teacher's embedding of the sentence.

use burn::tensor::Tensor;
use isogloss_kernels::sum;
use isogloss_model::Pooling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::divergence::Reduction;
use crate::error::{AlignmentError, ObjectiveError};
use crate::faults::{Faults, at_least_one};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::{Needs, Width};
use crate::sentence_embedding::SentenceEmbedding;
use crate::step::StepInput;
use crate::view::{Role, TextView, View};

/// Multilingual embedding distillation: the student's embeddings of a sentence and of its
/// translation learn to match the teacher's embedding of the sentence, see
/// [`embedding_distillation`]. The teacher is the recipe's `teacher`, without dropout.
///
/// # Source
/// Reimers & Gurevych 2020, arXiv:2004.09813.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingDistillationConfig {
    /// Layer of the hidden states, where 0 is the embeddings' output; the last by default.
    pub layer: Option<usize>,
    /// Pooling of a sentence embedding, see [`sentence_embeddings`](crate::sentence_embeddings).
    pub pooling: Pooling,
    /// Reduction of squared errors to the loss: over pairs and dimensions, or over pairs alone.
    pub reduction: Reduction,
    /// Embedding size of the teacher, if it differs from the student's: a linear projection of the
    /// student's embeddings to this size is then trained beside the student.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_width: Option<usize>,
}

impl Default for EmbeddingDistillationConfig {
    fn default() -> Self {
        let (pooling, reduction) = (Pooling::Mean, Reduction::ElementMean);
        Self { layer: None, pooling, reduction, teacher_width: None }
    }
}

impl Method for EmbeddingDistillationConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "embedding_distillation",
        title: "Multilingual embedding distillation",
        paper: "Reimers & Gurevych 2020, arXiv:2004.09813",
        formula: "‖s(x) - t(x)‖² + ‖s(y) - t(x)‖², y a translation of x",
        needs: &[DataNeed::Pairs, DataNeed::Teacher],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let width =
            self.teacher_width.and_then(|width| at_least_one("teacher_width", width as u64));
        width.into_iter().collect()
    }
}

impl Objective for EmbeddingDistillationConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let embedding = SentenceEmbedding { layer: self.layer, pooling: self.pooling };
        Needs {
            views: vec![View::PAIR_LEFT, View::PAIR_RIGHT, View::teacher(TextView::PairLeft)],
            sentence_embedding: Some(embedding),
            teacher_embedding: Some(embedding),
            projection_head: self
                .teacher_width
                .map(|width| vec![Width::Hidden, Width::Fixed(width)]),
            ..Needs::default()
        }
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let named = ObjectiveError::alignment(self.name());
        let vectors = |view| {
            let sentences = input.sentences(view, self.name())?;
            sentences.vectors(self.layer, self.pooling).map_err(&named)
        };
        let projection = input.projection(self.name(), Role::Student);
        let project = |x| projection.into_iter().fold(x, |x, p| p.forward(x));
        let [left, right] =
            [View::PAIR_LEFT, View::PAIR_RIGHT].map(|side| Ok(project(vectors(side)?)));
        let teacher = vectors(View::teacher(TextView::PairLeft))?;
        embedding_distillation(left?, right?, teacher, self).map_err(&named)
    }
}

/// Embedding distillation loss: `‖s(x) - t(x)‖² + ‖s(y) - t(x)‖²` for a sentence x and
/// its translation y, over all pairs.
///
/// The teacher's embeddings get no gradient.
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
/// over dimensions too. Their code also takes the mean over both terms rather than their sum: a
/// weight of 0.5 gives that.
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
    let squares = |student: Tensor<2>| sum((student - teacher.clone()).square());
    let total = squares(student_source) + squares(student_target);
    Ok(match config.reduction {
        Reduction::ElementMean => total / (n_pairs * width) as f64,
        Reduction::BatchMean => total / n_pairs as f64,
        Reduction::Sum => total,
    })
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
