//! Views of the task's text without labels, whose predictions objectives compare or sharpen.

use burn::tensor::Tensor;
use isogloss_kernels::sum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::faults::Faults;
use crate::step::{StepInput, matched_logits};
use crate::view::{EmbeddingNoise, Role, TextView, View};

/// View of an unlabeled text whose prediction is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnlabeledView {
    /// The same text with other dropout masks.
    SecondPass,
    /// The same text with noise on its embeddings.
    Noised(EmbeddingNoise),
    /// Subword sampling: the text tokenized into sampled subwords, `[views.subword_sampled]`.
    #[default]
    SubwordSampled,
    /// Code-switching: the text with some words in other languages, `[views.code_switched]` with
    /// `{source}` in its path.
    CodeSwitched,
    /// A translation of the text, `[views.translated]` with `{source}` in its path; of a text without
    /// one, the text itself.
    Translated,
}

impl UnlabeledView {
    fn view(self) -> View {
        let pass = View { text: TextView::Unlabeled, pass: 1, ..View::ORIGINAL };
        match self {
            Self::SecondPass => pass,
            Self::Noised(noise) => View { noise: Some(noise), ..pass },
            Self::SubwordSampled => View::student(TextView::UnlabeledSubwordSampled),
            Self::CodeSwitched => View::student(TextView::UnlabeledCodeSwitched),
            Self::Translated => View::student(TextView::UnlabeledTranslated),
        }
    }

    /// Views of the model that predicts the target, and of the student.
    pub(super) fn views(self, teacher: Role) -> [View; 2] {
        [View::with_role(teacher, TextView::Unlabeled), self.view()]
    }

    /// Logits of the target, without a gradient, and of the student; each row is about the same
    /// text or word in both.
    ///
    /// # Shapes
    /// - returns: twice `[rows, labels]`
    pub(super) fn logits(
        self,
        teacher: Role,
        input: &StepInput,
        objective: &'static str,
    ) -> Result<[Tensor<2>; 2], ObjectiveError> {
        let [teacher, student] = self.views(teacher);
        let teacher = input.view(teacher, objective)?;
        let student = input.view(student, objective)?;
        let [teacher, student] = matched_logits(teacher, student);
        Ok([teacher.without_autodiff(), student])
    }

    pub(super) fn faults(self) -> Faults {
        match self {
            Self::Noised(noise) => noise.faults(),
            Self::SecondPass | Self::SubwordSampled | Self::CodeSwitched | Self::Translated => {
                Faults::new()
            }
        }
    }
}

/// Mean over all rows of the values of those that count; zero without rows.
///
/// # Shapes
/// - `values`: `[rows, 1]`
/// - `counts`: `[rows, 1]`, 1 for a row that counts, else 0
/// - returns: `[1]`
pub(super) fn masked_mean(values: Tensor<2>, counts: Tensor<2>) -> Tensor<1> {
    let n_rows = values.dims()[0];
    if n_rows == 0 {
        return Tensor::zeros([1], &values.device());
    }
    sum(values * counts) / n_rows as f64
}
