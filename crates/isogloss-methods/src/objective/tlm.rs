//! Translation language modelling (TLM, Conneau & Lample 2019): predicts masked tokens of a
//! sentence and its translation.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::StepInput;
use crate::view::{TextView, View};

/// Translation language modelling (TLM): the mean of `-log p(token)` over masked tokens of sentence
/// pairs, each concatenated to one text, so that a token can be predicted from its translation;
/// zero if no token was masked.
///
/// The head and the factor beside XLCo are those of [`MmlmConfig`](super::MmlmConfig).
///
/// # Source
/// Conneau & Lample 2019, arXiv:1901.07291, §3.3; eq. 3 of Chi et al. 2021, InfoXLM,
/// arXiv:2007.07834.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlmConfig {}

impl Method for TlmConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "tlm",
        title: "Translation language modelling (TLM)",
        paper: "Conneau & Lample 2019, arXiv:1901.07291",
        formula: "-(1/|M|) Σ_{i∈M} log p([x; y]ᵢ | [x; y] without M)",
        needs: &[DataNeed::Pairs],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };
}

impl Objective for TlmConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([View::student(TextView::PairJoined)])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let view = input.view(View::student(TextView::PairJoined), self.name())?;
        let n_masked = view.output.logits.dims()[0];
        Ok(view.masked_token_loss() * input.sample_share(n_masked))
    }
}
