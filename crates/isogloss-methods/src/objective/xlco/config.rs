//! Configuration of XLCo, and the embeddings of its queries and keys.

use burn::tensor::Tensor;
use isogloss_model::Pooling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::momentum_schedule::{MomentumSchedule, is_constant};
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
    /// Momentum schedule: how the momentum comes to this value.
    #[serde(skip_serializing_if = "is_constant")]
    pub momentum_schedule: MomentumSchedule,
    /// Whether queries and keys go through a linear projection as wide as the model; the momentum
    /// encoder has a moving average of it, as of its other parameters.
    pub projection: bool,
    /// Whether embeddings are L2-normalized. Without it, dot products of wide models grow large.
    pub normalized: bool,
    /// Mixup: whether every two pairs are concatenated, in any order on each side, before the
    /// contrast, which then is over half as many texts. With this or `masked`, the language of the query is drawn for each pair; without either, the
    /// left sentence is the query.
    pub mixup: bool,
    /// Whether the contrasted texts are masked, as for masked language modeling.
    pub masked: bool,
    /// Loss weighting beside masked language modeling.
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
            momentum_schedule: MomentumSchedule::Constant,
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

    /// The text whose sentences are counted beside masked tokens, if the weighting does so.
    pub(super) fn sample_text(&self) -> Option<TextView> {
        let counts = self.weighting == XlcoWeighting::FairseqTokenNormalized;
        counts.then(|| self.sides()[0].text)
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

/// Loss weighting: the factors of the mean over sentence pairs and of the means over masked tokens.
///
/// # Source
/// InfoXLM's paper adds up its losses; its code sums them over pairs and over masked tokens and
/// divides the total by the number of both, so that the contrastive loss has little weight. Theirs
/// are the numbers of a whole step, here they are those of each accumulated batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum XlcoWeighting {
    /// Factor 1: the mean over pairs.
    #[default]
    PerSample,
    /// Factor `n_pairs`: the sum over pairs.
    PaperSum,
    /// Sum over pairs and masked tokens, divided by the number of both: the factor
    /// `n_pairs / (n_pairs + n_masked)` here, and in `mmlm` and `tlm` beside it their own number of
    /// masked tokens in the place of `n_pairs`, where `n_masked` is that of both.
    FairseqTokenNormalized,
}

impl XlcoWeighting {
    /// Factor of the mean over `n_pairs` pairs of a step; zero without pairs.
    pub(super) fn factor(self, n_pairs: usize, input: &StepInput) -> f64 {
        match self {
            _ if n_pairs == 0 => 0.0,
            Self::PerSample => 1.0,
            Self::PaperSum => n_pairs as f64,
            Self::FairseqTokenNormalized => input.sample_share(n_pairs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::PairInput;

    #[test]
    fn weights_of_eight_pairs_beside_two_dozen_masked_tokens() {
        let pairs = PairInput { sample_size: Some(8 + 24), ..PairInput::default() };
        let input = StepInput::default().with_pairs(pairs);
        let factor = |weighting: XlcoWeighting| weighting.factor(8, &input);
        assert_eq!(factor(XlcoWeighting::PerSample), 1.0);
        assert_eq!(factor(XlcoWeighting::PaperSum), 8.0);
        assert_eq!(factor(XlcoWeighting::FairseqTokenNormalized), 0.25);
        assert_eq!(XlcoWeighting::FairseqTokenNormalized.factor(0, &input), 0.0);
        // The shares of 8 tokens of MMLM and 16 of TLM.
        assert_eq!([8, 16].map(|n| input.sample_share(n)), [0.25, 0.5]);
        assert_eq!(StepInput::default().sample_share(8), 1.0);
    }
}
