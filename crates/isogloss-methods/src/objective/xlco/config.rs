//! Configuration of XLCo, and the embeddings of its queries and keys.

use burn::tensor::Tensor;
use isogloss_model::Pooling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::needs::ContrastTexts;
use crate::step::StepInput;
use crate::view::{Role, TextView, View};

/// Key of the objective in a recipe.
pub(super) const KEY: &str = "xlco";

/// XLCo: cross-lingual contrast with a negative queue and a momentum encoder (InfoXLM), see
/// [`xlco`](super::xlco).
///
/// The queries are the sentence embeddings of the model; the keys are those of its momentum
/// encoder, see [`momentum_update`](crate::momentum_update), on the translations.
///
/// # Source
/// Chi et al. 2021, InfoXLM, arXiv:2007.07834, with the hyperparameters of the authors' recipe for
/// the base model, except the queue: theirs, for pretraining, keeps 131 072 keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct XlcoConfig {
    /// Temperature τ; dot products are divided by it.
    pub temperature: f64,
    /// Layer of the hidden states, where 0 is the embeddings' output.
    pub layer: usize,
    /// Pooling of a sentence embedding; the authors take the first token.
    pub pooling: Pooling,
    /// Size of the negative queue: number of keys that are kept as negatives.
    pub queue_size: usize,
    /// EMA momentum m: after each step the momentum encoder is `m` times itself plus `1 - m` times
    /// the model.
    pub momentum: f64,
    /// Whether queries and keys go through a linear projection as wide as the model; the momentum
    /// encoder has a moving average of it, as of its other parameters.
    pub projection: bool,
    /// Whether embeddings are L2-normalized. Without it, dot products of wide models grow large.
    pub normalized: bool,
    /// Mixup: whether two pairs are concatenated, in any order on each side, before the contrast.
    /// With this or `masked`, the language of the query is drawn for each pair; without either, the
    /// left sentence is the query.
    pub mixup: bool,
    /// Whether the contrasted texts are masked, as for masked language modeling.
    pub masked: bool,
    /// Weight of the loss beside masked language modeling.
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
    /// Augmentation of pairs before the contrast, if any.
    pub(super) fn contrast_texts(&self) -> Option<ContrastTexts> {
        let texts = ContrastTexts { mixup: self.mixup, masked: self.masked };
        (self.mixup || self.masked).then_some(texts)
    }

    /// Views of queries and keys.
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

    /// Sentence embeddings of one side, `[pairs, width]`, after the projection if there is one.
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

/// Loss weighting: the factor of the mean over sentence pairs, beside masked language modeling.
///
/// # Source
/// InfoXLM's paper adds up its losses; its code sums them over pairs and over masked tokens and
/// divides the total by the number of both, so that the contrastive loss has little weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum XlcoWeighting {
    /// Factor 1: the mean over pairs.
    #[default]
    PerSample,
    /// Factor `n_pairs`: the sum over pairs.
    PaperSum,
    /// Factor `n_pairs / (n_pairs + n_masked)`; the mean over masked tokens is to have the weight
    /// `n_masked / (n_pairs + n_masked)` beside it.
    FairseqTokenNormalized,
}

impl XlcoWeighting {
    /// Factor for a batch of `n_pairs` pairs and `n_masked` masked tokens; zero without pairs.
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
