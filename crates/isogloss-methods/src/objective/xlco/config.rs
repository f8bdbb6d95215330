//! The configuration of XLCo, and the embeddings of its queries and keys.

use burn::tensor::Tensor;
use isogloss_model::Pooling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::needs::ContrastTexts;
use crate::step::StepInput;
use crate::view::{Role, TextView, View};

/// The name of the objective.
pub(super) const KEY: &str = "xlco";

/// Configures [`xlco`](super::xlco) and what surrounds it.
///
/// The queries are the sentence embeddings of the model; the keys those of its momentum encoder, see
/// [`momentum_update`](crate::momentum_update), on the translations.
///
/// # Source
/// Chi et al. 2021, InfoXLM, arXiv:2007.07834, with the numbers of the authors' recipe for the base
/// model, but for the queue: theirs, for pretraining, keeps 131 072 keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct XlcoConfig {
    /// τ; products are divided by it.
    pub temperature: f64,
    /// The layer whose states are taken, counted from the embeddings' output, 0.
    pub layer: usize,
    /// How a sentence's states become its vector; the authors take the first token's.
    pub pooling: Pooling,
    /// Keys that are kept as negatives.
    pub queue_size: usize,
    /// m: after each step the momentum encoder is `m` times itself plus `1 - m` times the model.
    pub momentum: f64,
    /// Whether queries and keys go through a linear map as wide as the model; that of the momentum encoder
    /// follows like its other parameters.
    pub projection: bool,
    /// Whether products are those of unit vectors. Without it, those of wide models grow large.
    pub normalized: bool,
    /// Whether two pairs are put together, in any order on each side, before they are compared. With
    /// this or `masked`, which language asks is drawn for each pair; without either, the left one does.
    pub mixup: bool,
    /// Whether the compared texts are masked, as for a language model.
    pub masked: bool,
    /// What the loss weighs beside language modeling.
    pub weighting: XlcoWeighting,
}

impl Default for XlcoConfig {
    fn default() -> Self {
        Self {
            temperature: 0.25,
            layer: 8,
            pooling: Pooling::FirstToken,
            queue_size: 4096,
            momentum: 0.9999,
            projection: false,
            normalized: false,
            mixup: true,
            masked: true,
            weighting: XlcoWeighting::default(),
        }
    }
}

impl XlcoConfig {
    /// How pairs are changed before they are contrasted, if they are.
    pub(super) fn contrast_texts(&self) -> Option<ContrastTexts> {
        let texts = ContrastTexts { mixup: self.mixup, masked: self.masked };
        (self.mixup || self.masked).then_some(texts)
    }

    /// The passes that queries and keys come from.
    pub(super) fn sides(&self) -> [View; 2] {
        let [query, key] = match self.contrast_texts() {
            Some(_) => [TextView::ContrastLeft, TextView::ContrastRight],
            None => [TextView::PairLeft, TextView::PairRight],
        };
        [View::student(query), View::with_role(Role::Momentum, key)]
    }

    /// The keys of the step's pairs, `[pairs, width]`.
    pub(super) fn keys(&self, input: &StepInput) -> Result<Tensor<2>, ObjectiveError> {
        let [_, key] = self.sides();
        self.embeddings(input, key)
    }

    /// The embeddings of one side, `[pairs, width]`.
    pub(super) fn embeddings(
        &self,
        input: &StepInput,
        view: View,
    ) -> Result<Tensor<2>, ObjectiveError> {
        let sentences = input.sentences(view, KEY)?;
        let embeddings = sentences.vectors(Some(self.layer), self.pooling);
        let embeddings = embeddings.map_err(ObjectiveError::alignment(KEY))?;
        Ok(match input.projection(KEY, view.role) {
            Some(projection) => projection.forward(embeddings),
            None => embeddings,
        })
    }
}

/// What the mean over sentence pairs is multiplied by, beside language modeling on masked tokens.
///
/// # Source
/// InfoXLM's paper adds up its losses; its code sums them over pairs and over masked tokens and divides
/// everything by the number of both, so that contrast weighs little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum XlcoWeighting {
    /// 1: the mean over pairs.
    #[default]
    PerSample,
    /// `n_pairs`: the sum over pairs.
    PaperSum,
    /// `n_pairs / (n_pairs + n_masked)`; the mean over masked tokens is to weigh
    /// `n_masked / (n_pairs + n_masked)` beside it.
    FairseqTokenNormalized,
}

impl XlcoWeighting {
    /// The factor for a batch of so many pairs and masked tokens; zero without pairs.
    pub fn factor(self, n_pairs: usize, n_masked: usize) -> f64 {
        let n = n_pairs as f64;
        match self {
            _ if n_pairs == 0 => 0.0,
            Self::PerSample => 1.0,
            Self::PaperSum => n,
            Self::FairseqTokenNormalized => n / (n + n_masked as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_eight_pairs_beside_two_dozen_masked_tokens() {
        let factor = |weighting: XlcoWeighting| weighting.factor(8, 24);
        assert_eq!(factor(XlcoWeighting::PerSample), 1.0);
        assert_eq!(factor(XlcoWeighting::PaperSum), 8.0);
        assert_eq!(factor(XlcoWeighting::FairseqTokenNormalized), 0.25);
        assert_eq!(XlcoWeighting::FairseqTokenNormalized.factor(8, 0), 1.0);
        assert_eq!(XlcoWeighting::FairseqTokenNormalized.factor(0, 0), 0.0);
    }
}
