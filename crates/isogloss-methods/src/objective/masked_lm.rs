//! Masked language modelling: of text in one language, and of a sentence beside its translation.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Objective, ObjectiveError, StepInput};
use crate::{TextView, View};

/// Multilingual masked language modelling: the mean of `-log p(token)` over masked tokens of blocks of
/// text in one language.
///
/// The model's own masked-language-model head guesses, or one that is tied to the token embeddings.
///
/// # Source
/// Devlin et al. 2019, arXiv:1810.04805, §3.1, on the text of many languages; eq. 2 of Chi et al. 2021,
/// InfoXLM, arXiv:2007.07834.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MmlmConfig {}

/// Translation language modelling: as [`MmlmConfig`], over pairs joined to one text, so that a token can
/// be guessed from its translation.
///
/// # Source
/// Conneau & Lample 2019, arXiv:1901.07291, §3.3; eq. 3 of InfoXLM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlmConfig {}

impl Objective for MmlmConfig {
    fn name(&self) -> &'static str {
        "mmlm"
    }

    fn views(&self) -> Vec<View> {
        vec![View::of(TextView::Monolingual)]
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        masked_nll(input, TextView::Monolingual, self.name())
    }
}

impl Objective for TlmConfig {
    fn name(&self) -> &'static str {
        "tlm"
    }

    fn views(&self) -> Vec<View> {
        vec![View::of(TextView::PairJoined)]
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        masked_nll(input, TextView::PairJoined, self.name())
    }
}

/// Zero if no token was masked.
fn masked_nll(
    input: &StepInput,
    text: TextView,
    objective: &'static str,
) -> Result<Tensor<1>, ObjectiveError> {
    let view = input.view(View::of(text), objective)?;
    match &view.targets {
        Some(targets) => Ok(targets.cross_entropy(&view.output, 0.0)),
        None => Ok(Tensor::zeros([1], &view.output.logits.device())),
    }
}
