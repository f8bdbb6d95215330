//! Cross-entropy with the gold labels: the supervised loss of a task.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::faults::Faults;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::StepInput;
use crate::view::{TextView, View};

/// Cross-entropy with the gold labels: `-Σᵢ log p(yᵢ)` over the rows with a label, divided by
/// their number.
///
/// With `label_smoothing` ε, the target is `1 - ε` on the gold label plus `ε / n_labels` on all.
/// For dependency parsing, the loss is the sum of the losses of arcs, of relations at gold heads,
/// and of parts of speech by their weight.
///
/// # Source
/// Reduction and smoothing as in PyTorch's `cross_entropy`; smoothing from Szegedy et al. 2016,
/// arXiv:1512.00567, §7.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropyConfig {
    /// Label smoothing ε, in `[0, 1)`.
    pub label_smoothing: f64,
    /// Text view that is trained on; xTune's second stage trains on augmented views too.
    pub text: TextView,
}

impl Method for CrossEntropyConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "cross_entropy",
        title: "Cross-entropy",
        paper: "label smoothing: Szegedy et al. 2016, arXiv:1512.00567",
        formula: "-(1/n) Σᵢ log p(yᵢ | xᵢ)",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let valid = (0.0..1.0).contains(&self.label_smoothing);
        let fault =
            || ("label_smoothing", format!("expected [0, 1), found {}", self.label_smoothing));
        let text = self.text.is_unlabeled().then(|| ("text", "it has no labels".to_owned()));
        (!valid).then(fault).into_iter().chain(text).collect()
    }
}

impl Objective for CrossEntropyConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([View::student(self.text)])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let view = input.view(View::student(self.text), self.name())?;
        view.cross_entropy(self.name(), self.label_smoothing)
    }
}
