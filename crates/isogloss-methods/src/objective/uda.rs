//! Unsupervised data augmentation (UDA, Xie et al. 2020): consistency of an unlabeled text with a
//! view of it.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unlabeled_view::{UnlabeledView, masked_mean};
use crate::error::ObjectiveError;
use crate::faults::{Faults, below_one, positive};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::StepInput;
use crate::view::Role;

/// Unsupervised data augmentation (UDA): trains the prediction on a view of an unlabeled text
/// towards the sharpened prediction on the text itself, where that is confident enough.
///
/// Both passes are the student's, with dropout; the target has no gradient. It is used beside
/// [`CrossEntropyConfig`](super::CrossEntropyConfig), which trains on the labels. Rows are texts, or
/// for tagging the first subwords of words, matched by the word's index. Related:
/// [`ConsistencyConfig`](super::ConsistencyConfig) on the labeled texts,
/// [`PseudoLabelsConfig`](super::PseudoLabelsConfig) with one label as the target.
///
/// # Source
/// Xie et al. 2020, arXiv:1904.12848, §2.2 and §2.3, with the loss of the authors' code for text:
/// `KL(softmax(z / τ)‖p(view))`, the mean over all rows, zero for rows whose probability (without
/// the temperature) is not above the threshold. Their views are back-translations; their training
/// signal annealing of the labeled texts is not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UdaConfig {
    /// View of the text whose prediction is trained.
    pub view: UnlabeledView,
    /// Softmax temperature τ of the target: below 1, it is sharpened. 1, not sharpened, is the
    /// default of the authors' code; the paper has 0.4 for images.
    pub temperature: f64,
    /// Confidence threshold β: texts whose highest probability is not above it do not count. 0, all
    /// texts, is the default of the authors' code; the paper has 0.8 for images.
    pub confidence: f64,
}

impl Default for UdaConfig {
    fn default() -> Self {
        Self { view: UnlabeledView::default(), temperature: 1.0, confidence: 0.0 }
    }
}

impl Method for UdaConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "uda",
        title: "Unsupervised data augmentation (UDA)",
        paper: "Xie et al. 2020, arXiv:1904.12848",
        formula: "mean 1[max p(x) > β] KL(softmax(z(x) / τ)‖p(x′)), x an unlabeled text, x′ a view of it",
        needs: &[DataNeed::UnlabeledText, DataNeed::View],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let mut faults = self.view.faults();
        faults.extend(positive("temperature", self.temperature));
        faults.extend(below_one("confidence", self.confidence));
        faults
    }
}

impl Objective for UdaConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views(self.view.views(Role::Student))
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [target, student] = self.view.logits(Role::Student, input, self.name())?;
        if target.dims()[0] == 0 {
            return Ok(Tensor::zeros([1], &student.device()));
        }
        let counts = softmax(target.clone(), 1).max_dim(1).greater_elem(self.confidence).float();
        let target = log_softmax(target / self.temperature, 1);
        let divergence = (target.clone().exp() * (target - log_softmax(student, 1))).sum_dim(1);
        Ok(masked_mean(divergence, counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_its_field() {
        let config = UdaConfig { temperature: 0.0, confidence: 1.0, ..UdaConfig::default() };
        let fields: Vec<_> = config.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["temperature", "confidence"]);
    }
}
