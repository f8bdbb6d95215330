//! Class balance (Krause et al. 2010; SHOT, Liang et al. 2020): the predictions on a batch of
//! unlabeled text should not all be one class.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
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

/// Class balance: the KL divergence of the mean prediction on a batch of unlabeled text from the
/// uniform distribution over the classes, `Σ p̄ log p̄ + log C`, in nats.
///
/// With [`EntropyMinimizationConfig`](super::EntropyMinimizationConfig) at the same weight, it
/// maximizes the mutual information between texts and predictions. The batch should be larger than
/// the number of classes, which should be about equally frequent; tags are not.
///
/// # Source
/// Krause et al. 2010, "Discriminative Clustering by Regularized Information Maximization"
/// (NeurIPS), eq. 2; Liang et al. 2020, SHOT, arXiv:2002.08546, eq. 3, the diversity term.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassBalanceConfig {}

impl Method for ClassBalanceConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "class_balance",
        title: "Class balance",
        paper: "Krause et al. 2010; Liang et al. 2020, SHOT, arXiv:2002.08546",
        formula: "Σ p̄ log p̄ + log C, p̄ the mean prediction on a batch of unlabeled text",
        needs: &[DataNeed::UnlabeledText],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };
}

impl Objective for ClassBalanceConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([UNLABELED])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let view = input.view(UNLABELED, self.name())?;
        let logits = view.prediction_rows(view.output.logits.clone());
        let [n_rows, n_labels] = logits.dims();
        if n_rows == 0 {
            return Ok(Tensor::zeros([1], &logits.device()));
        }
        let mean = softmax(logits, 1).mean_dim(0);
        // A class that no text could be of adds nothing, and no NaN.
        let logarithm = mean.clone().clamp_min(SMALLEST).log();
        Ok(sum(mean * logarithm) + (n_labels as f64).ln())
    }
}

/// Smallest probability whose logarithm is taken, near the smallest normal `f32`.
const SMALLEST: f64 = 1e-37;
