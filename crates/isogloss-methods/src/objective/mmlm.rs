//! Multilingual masked language modelling (MMLM): predicts masked tokens of monolingual text.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::StepInput;
use crate::view::{TextView, View};

/// Multilingual masked language modelling (MMLM): the mean of `-log p(token)` over masked tokens of
/// blocks of monolingual text; zero if no token was masked.
///
/// Beside XLCo with `weighting = "fairseq_token_normalized"` it has a factor, see
/// [`XlcoWeighting`](super::XlcoWeighting).
///
/// The head is the model's own masked-language-model head, or one that is tied to the token
/// embeddings. Related: [`TlmConfig`](super::TlmConfig), over pairs.
///
/// # Source
/// Devlin et al. 2019, arXiv:1810.04805, §3.1, on the text of many languages; eq. 2 of Chi et al.
/// 2021, InfoXLM, arXiv:2007.07834.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MmlmConfig {}

impl Method for MmlmConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "mmlm",
        title: "Multilingual masked language modelling (MMLM)",
        paper: "Devlin et al. 2019, arXiv:1810.04805; Chi et al. 2021, InfoXLM, arXiv:2007.07834",
        formula: "-(1/|M|) Σ_{i∈M} log p(xᵢ | x without M)",
        needs: &[DataNeed::MonolingualText],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };
}

impl Objective for MmlmConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([View::student(TextView::Monolingual)])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let view = input.view(View::student(TextView::Monolingual), self.name())?;
        let n_masked = view.output.logits.dims()[0];
        Ok(view.masked_token_loss() * input.sample_share(n_masked))
    }
}
