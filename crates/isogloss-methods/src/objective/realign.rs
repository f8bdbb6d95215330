//! Word realignment (Cao et al. 2020; Wu & Dredze 2020): trains the embeddings of aligned words to
//! be close.

mod config;
mod loss;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::config::{AlignmentStrength, ContrastiveRealignConfig, L2RealignConfig, RealignLoss};
pub use self::loss::{realign_contrastive, realign_l2, token_drift, word_drift};
use crate::error::{AlignmentError, ObjectiveError};
use crate::faults::{Faults, positive, zero_or_more};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::{Needs, Width};
use crate::step::StepInput;
use crate::view::{Role, TextView, View};
use crate::word_embedding::{WordLinks, WordVector};

/// Word realignment: trains the embeddings of aligned words in parallel sentences to be close.
///
/// # Source
/// Gaschi et al. 2023, arXiv:2306.02790. Their code asks for the last layer but takes the one
/// before it, because its index does not count the embeddings: `layer = 11` of twelve gives that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RealignConfig {
    /// Layer of the hidden states, where 0 is the embeddings' output; the last by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// Several layers in place of `layer`: the loss is the mean of theirs, and all of them share one
    /// projection head.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<usize>,
    /// Subword pooling: how the hidden states of a word's tokens become one word embedding.
    pub words: WordVector,
    /// Contrastive or L2 loss.
    pub loss: RealignLoss,
    /// What the L2 regularization of the loss keeps near the initial model.
    pub regularized: Regularized,
}

/// States of the left sentences that the L2 regularization keeps near the initial model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Regularized {
    /// The embeddings of all words, linked or not, see [`word_drift`].
    #[default]
    Words,
    /// The hidden states of all tokens, special tokens too, as in the code of Gaschi et al., see
    /// [`token_drift`].
    Tokens,
}

/// View of the initial model, for the L2 regularization.
const INITIAL_LEFT: View = View::with_role(Role::Initial, TextView::PairLeft);

impl RealignConfig {
    /// Weight λ of the L2 regularization.
    fn regularization(&self) -> f64 {
        match &self.loss {
            RealignLoss::Contrastive(config) => config.regularization,
            RealignLoss::L2(config) => config.regularization,
        }
    }

    /// Whether the loss needs the initial model's states of the left sentences.
    fn needs_initial(&self) -> bool {
        self.regularization() > 0.0
    }

    /// The layers that are realigned; `None` is the last one.
    fn realigned_layers(&self) -> Vec<Option<usize>> {
        match self.layers.is_empty() {
            true => vec![self.layer],
            false => self.layers.iter().map(|layer| Some(*layer)).collect(),
        }
    }

    /// The loss of one layer; `None` if no two words with tokens are linked.
    fn layer_loss(
        &self,
        input: &StepInput,
        links: &WordLinks,
        layer: Option<usize>,
    ) -> Result<Option<Tensor<1>>, ObjectiveError> {
        let named = ObjectiveError::alignment(self.name());
        let states = |view| {
            let sentences = input.sentences(view, self.name())?;
            sentences.states(layer).map_err(&named)
        };
        let (left, right) = (states(View::PAIR_LEFT)?, states(View::PAIR_RIGHT)?);
        let words = match links.gather(left.clone(), right, self.words) {
            Err(AlignmentError::NoLinks) => return Ok(None),
            other => other.map_err(&named)?,
        };
        let drift = match (self.needs_initial(), self.regularized) {
            (false, _) => None,
            (true, Regularized::Words) => {
                let initial = links.gather_left(states(INITIAL_LEFT)?, self.words);
                Some(word_drift(&words, initial.map_err(&named)?))
            }
            (true, Regularized::Tokens) => {
                let mask = input.sentences(View::PAIR_LEFT, self.name())?.attention_mask.clone();
                Some(token_drift(left, states(INITIAL_LEFT)?, mask))
            }
        };
        let loss = match &self.loss {
            RealignLoss::Contrastive(config) => {
                let projection = input.projection(self.name(), Role::Student);
                let words = projection.into_iter().fold(words, |words, p| words.projected(p));
                realign_contrastive(&words, config)
            }
            RealignLoss::L2(_) => realign_l2(&words),
        };
        Ok(Some(match drift {
            Some(drift) => loss + drift * self.regularization(),
            None => loss,
        }))
    }
}

impl Method for RealignConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "realign",
        title: "Word realignment",
        paper: "Gaschi et al. 2023, arXiv:2306.02790; Wu & Dredze 2020, arXiv:2010.02537; \
                Cao et al. 2020, arXiv:2002.03518",
        formula: "-log (exp(c(a, b) / T) / Σᵤ exp(c(a, u) / T)) over linked words a, b; or \
                  (l - r)²; + λ (l - l₀)²",
        needs: &[DataNeed::Pairs, DataNeed::WordLinks],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let mut faults: Faults = match &self.loss {
            RealignLoss::Contrastive(config) => {
                let temperature = positive("loss.contrastive.temperature", config.temperature);
                let weight = zero_or_more("loss.contrastive.regularization", config.regularization);
                temperature.into_iter().chain(weight).collect()
            }
            RealignLoss::L2(config) => {
                zero_or_more("loss.l2.regularization", config.regularization).into_iter().collect()
            }
        };
        if self.layer.is_some() && !self.layers.is_empty() {
            faults.push(("layers", "name them here, or one as layer, not both".to_owned()));
        }
        let is_twice = |(at, layer): (usize, &usize)| self.layers[..at].contains(layer);
        if self.layers.iter().enumerate().any(is_twice) {
            faults.push(("layers", "expected each layer once".to_owned()));
        }
        if self.regularized == Regularized::Tokens && !self.needs_initial() {
            let problem = "is about the L2 regularization, whose weight is 0";
            faults.push(("regularized", problem.to_owned()));
        }
        faults
    }
}

impl Objective for RealignConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let mut views = vec![View::PAIR_LEFT, View::PAIR_RIGHT];
        views.extend(self.needs_initial().then_some(INITIAL_LEFT));
        let projection_head = match &self.loss {
            RealignLoss::Contrastive(config) if config.projection > 0 => {
                Some(vec![Width::Hidden, Width::Hidden, Width::Fixed(config.projection)])
            }
            _ => None,
        };
        Needs { views, word_links: true, projection_head, ..Needs::default() }
    }

    /// The loss is zero if no aligned words of the step are left, such as after truncation.
    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let links = input.pairs.as_ref().map(|pairs| &pairs.links);
        let layers = self.realigned_layers();
        let (n_layers, mut sum) = (layers.len() as f64, None);
        for layer in layers {
            let loss = links.map(|links| self.layer_loss(input, links, layer)).transpose()?;
            sum = match (sum, loss.flatten()) {
                (Some(sum), Some(loss)) => Some(sum + loss),
                (sum, loss) => sum.or(loss),
            };
        }
        Ok(match sum {
            Some(sum) => sum / n_layers,
            None => {
                let left = input.sentences(View::PAIR_LEFT, self.name())?;
                Tensor::zeros([1], &left.attention_mask.device())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_as_wide_as_the_model_and_then_as_asked() {
        let config = RealignConfig::default();
        assert_eq!(config.needs().projection_widths(384), Some(vec![384, 384, 128]));
        let l2 = RealignConfig {
            loss: RealignLoss::L2(L2RealignConfig::default()),
            ..RealignConfig::default()
        };
        assert_eq!(l2.needs().projection_widths(384), None);
        assert!(l2.needs_initial() && !config.needs_initial());
    }

    #[test]
    fn each_fault_names_its_field() {
        let fault = |loss| RealignConfig { loss, ..RealignConfig::default() }.faults();
        let contrastive = ContrastiveRealignConfig { temperature: -1.0, ..Default::default() };
        let found = fault(RealignLoss::Contrastive(contrastive));
        assert_eq!(found[0].0, "loss.contrastive.temperature");
        let contrastive = ContrastiveRealignConfig { regularization: -1.0, ..Default::default() };
        let found = fault(RealignLoss::Contrastive(contrastive));
        assert_eq!(found[0].0, "loss.contrastive.regularization");
        let found = fault(RealignLoss::L2(L2RealignConfig { regularization: -1.0 }));
        assert_eq!(found[0].0, "loss.l2.regularization");
        let found = RealignConfig { layer: Some(1), layers: vec![2, 2], ..Default::default() };
        let found: Vec<_> = found.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(found, ["layers", "layers"]);
        let found = RealignConfig { regularized: Regularized::Tokens, ..Default::default() };
        assert_eq!(found.faults()[0].0, "regularized");
        assert!(RealignConfig::default().faults().is_empty());
    }
}
