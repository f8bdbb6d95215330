//! Knowledge distillation on views (xTune's model consistency, Zheng et al. 2021): trains the
//! student's prediction on a view towards the teacher's.

use burn::tensor::Tensor;
use isogloss_kernels::cross_entropy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::divergence::{Divergence, GradientFlow, Reduction, divergence};
use crate::error::ObjectiveError;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::{StepInput, WordComparison, pooled_logits};
use crate::view::{TextView, View};
use crate::word_embedding::WordVector;

/// Distillation targets: the teacher's probabilities (soft) or its most probable labels (hard).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeacherTargets {
    /// Soft targets, the teacher's probabilities: `KL(teacher‖student)`.
    #[default]
    Soft,
    /// Hard targets, the teacher's most probable label: cross-entropy, as in xTune for entities.
    Hard,
}

/// Knowledge distillation on views (xTune's model consistency): trains the student's prediction on
/// a view towards the teacher's on the same view. The teacher is the recipe's `teacher`, without
/// dropout.
///
/// # Source
/// Zheng et al. 2021, xTune, arXiv:2106.08226, §3.2, R2. There, the student starts again from the
/// pretrained model, and views are also trained with
/// [`CrossEntropyConfig`](super::CrossEntropyConfig) on their gold labels. Of `subword_pooling`,
/// [`ConsistencyConfig`](super::ConsistencyConfig) says what differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConsistencyConfig {
    /// Text view that student and teacher read.
    pub text: TextView,
    /// Soft or hard targets.
    #[serde(default)]
    pub targets: TeacherTargets,
    /// Tagging: subword pooling of a word's hidden states before the classifier, of teacher and
    /// student.
    #[serde(default)]
    pub subword_pooling: WordVector,
    /// Reduction from rows to the loss for soft targets; hard ones take the mean over rows.
    #[serde(default)]
    pub reduction: Reduction,
}

impl Method for ModelConsistencyConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "model_consistency",
        title: "Model consistency (xTune R2)",
        paper: "Zheng et al. 2021, xTune, arXiv:2106.08226",
        formula: "KL(p_teacher(x)‖p_student(x))",
        needs: &[DataNeed::Labels, DataNeed::View, DataNeed::Teacher],
        file: file!(),
        required: &["text"],
        example: || {
            options(Self {
                text: TextView::CodeSwitched,
                targets: TeacherTargets::default(),
                subword_pooling: WordVector::default(),
                reduction: Reduction::default(),
            })
        },
    };
}

impl Objective for ModelConsistencyConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let subwords = self.subword_pooling != WordVector::FirstSubword;
        let views = [View::student(self.text), View::teacher(self.text)];
        Needs { subwords, ..Needs::views(views) }
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let student = input.view(View::student(self.text), self.name())?;
        let teacher = input.view(View::teacher(self.text), self.name())?;
        let words = WordComparison { pooling: self.subword_pooling, ..WordComparison::default() };
        let [teacher, student] = pooled_logits(teacher, student, words, self.name())?;
        Ok(match self.targets {
            TeacherTargets::Soft => {
                divergence(Divergence::Kl, GradientFlow::OneWay, self.reduction, teacher, student)
            }
            TeacherTargets::Hard => {
                let labels = teacher.argmax(1);
                let n_rows = labels.dims()[0];
                cross_entropy(student, labels.reshape([n_rows]), 0.0)
            }
        })
    }
}
