//! Entropy minimization (Grandvalet & Bengio 2004): predictions on unlabeled text should be certain.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use isogloss_kernels::sum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::StepInput;
use crate::view::{TextView, View};

/// The student's first pass over the unlabeled text.
const UNLABELED: View = View::student(TextView::Unlabeled);

/// Entropy minimization: the mean entropy of the predictions on unlabeled text, in nats.
///
/// Rows are texts, or for tagging the first subwords of words. Alone, it can call all texts by one
/// label; [`ClassBalanceConfig`](super::ClassBalanceConfig) holds against that.
///
/// # Source
/// Grandvalet & Bengio 2004, "Semi-supervised Learning by Entropy Minimization" (NeurIPS), eq. 6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntropyMinimizationConfig {}

impl Method for EntropyMinimizationConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "entropy_minimization",
        title: "Entropy minimization",
        paper: "Grandvalet & Bengio 2004",
        formula: "mean -Σ p(x) log p(x), x an unlabeled text",
        needs: &[DataNeed::UnlabeledText],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };
}

impl Objective for EntropyMinimizationConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([UNLABELED])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let view = input.view(UNLABELED, self.name())?;
        let logits = view.prediction_rows(view.output.logits.clone());
        let n_rows = logits.dims()[0];
        if n_rows == 0 {
            return Ok(Tensor::zeros([1], &logits.device()));
        }
        let log_probabilities = log_softmax(logits, 1);
        Ok(sum(log_probabilities.clone().exp() * log_probabilities) / -(n_rows as f64))
    }
}
