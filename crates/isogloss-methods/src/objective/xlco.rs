//! XLCo, InfoXLM's cross-lingual contrast: a sentence is contrasted with its translation and a queue of
//! negatives, whose keys a momentum encoder makes.

pub(crate) mod momentum_encoder;
pub(crate) mod negative_queue;

use burn::tensor::{Int, Tensor};
use isogloss_model::Pooling;
use serde::{Deserialize, Serialize};

use crate::cross_entropy::cross_entropy;
use crate::error::ObjectiveError;
use crate::faults::{Faults, at_least_one, positive};
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::{ContrastTexts, Needs, Width};
use crate::normalize::l2_normalized;
use crate::step::{Memory, Objective, StepInput};
use crate::view::{Role, TextView, View};

/// Configures [`xlco`] and what surrounds it.
///
/// The queries are the sentence embeddings of the model; the keys those of its momentum encoder, see
/// [`momentum_update`](crate::momentum_update), on the translations.
///
/// # Source
/// Chi et al. 2021, InfoXLM, arXiv:2007.07834, with the numbers of the authors' recipe for the base
/// model, but for the queue: theirs, for pretraining, keeps 131 072 keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    fn contrast_texts(&self) -> Option<ContrastTexts> {
        let texts = ContrastTexts { mixup: self.mixup, masked: self.masked };
        (self.mixup || self.masked).then_some(texts)
    }

    /// The passes that queries and keys come from.
    fn sides(&self) -> [View; 2] {
        let [query, key] = match self.contrast_texts() {
            Some(_) => [TextView::ContrastLeft, TextView::ContrastRight],
            None => [TextView::PairLeft, TextView::PairRight],
        };
        [View::student(query), View::with_role(Role::Momentum, key)]
    }

    /// The embeddings of one side, `[pairs, width]`.
    fn embeddings(&self, input: &StepInput, view: View) -> Result<Tensor<2>, ObjectiveError> {
        let sentences = input.sentences(view, self.name())?;
        let embeddings = sentences.vectors(Some(self.layer), self.pooling);
        let embeddings = embeddings.map_err(ObjectiveError::alignment(self.name()))?;
        Ok(match input.projection(self.name(), view.role) {
            Some(projection) => projection.forward(embeddings),
            None => embeddings,
        })
    }
}

impl Method for XlcoConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "xlco",
        title: "Cross-lingual contrast with a queue of negatives (XLCo)",
        paper: "Chi et al. 2021, InfoXLM, arXiv:2007.07834; He et al. 2020, MoCo, arXiv:1911.05722",
        formula: "-log (exp(qᵢ·kᵢ / τ) / (exp(qᵢ·kᵢ / τ) + Σⱼ exp(qᵢ·nⱼ / τ))), n a queue of keys",
        needs: &[DataNeed::Pairs],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let queue = at_least_one("queue_size", self.queue_size as u64);
        let momentum = (!(0.0..=1.0).contains(&self.momentum))
            .then(|| ("momentum", format!("expected [0, 1], found {}", self.momentum)));
        positive("temperature", self.temperature).into_iter().chain(queue).chain(momentum).collect()
    }
}

impl Objective for XlcoConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs {
            views: self.sides().to_vec(),
            projection_head: self.projection.then(|| vec![Width::Hidden; 2]),
            contrast_texts: self.contrast_texts(),
            ..Needs::default()
        }
    }

    fn memory(&self) -> Option<Memory> {
        Some(Memory { queue_size: self.queue_size, momentum: self.momentum })
    }

    fn keys(&self, input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        let [_, key] = self.sides();
        self.embeddings(input, key).map(Some)
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [query, key] = self.sides();
        let [query, key] = [self.embeddings(input, query)?, self.embeddings(input, key)?];
        let missing = ObjectiveError::MissingNegatives { objective: self.name() };
        let pairs = input.pairs.as_ref().ok_or(missing.clone())?;
        let queue = pairs.negatives.clone().ok_or(missing)?;
        let factor = self.weighting.factor(query.dims()[0], pairs.n_masked);
        Ok(xlco(query, key, queue, self) * factor)
    }
}

/// What the mean over sentence pairs is multiplied by, beside language modeling on masked tokens.
///
/// # Source
/// InfoXLM's paper adds up its losses; its code sums them over pairs and over masked tokens and divides
/// everything by the number of both, so that contrast weighs little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// The mean over pairs of `-log (exp(qᵢ·kᵢ / τ) / (exp(qᵢ·kᵢ / τ) + Σⱼ exp(qᵢ·nⱼ / τ)))`, in nats, with
/// the queue's keys n.
///
/// Keys and queue are constants: no gradient reaches them, whatever they are. With `normalized`, all
/// three are divided by their lengths first.
///
/// # Shapes
/// - `query`, `key`: `[pairs, width]`, row by row translations of each other
/// - `queue`: `[queue_size, width]`, the keys of earlier pairs
/// - returns: `[1]`; zero without pairs
///
/// # Source
/// See [`XlcoConfig`]. The factor of [`XlcoWeighting`] is not in it.
pub fn xlco(query: Tensor<2>, key: Tensor<2>, queue: Tensor<2>, config: &XlcoConfig) -> Tensor<1> {
    let n_pairs = query.dims()[0];
    if n_pairs == 0 {
        return Tensor::zeros([1], &query.device());
    }
    let [key, queue] = [key, queue].map(Tensor::without_autodiff);
    let [query, key, queue] =
        [query, key, queue].map(|rows| if config.normalized { l2_normalized(rows) } else { rows });
    let positive = (query.clone() * key).sum_dim(1);
    let negative = query.matmul(queue.transpose());
    let logits = Tensor::cat(vec![positive, negative], 1) / config.temperature;
    let targets = Tensor::<1, Int>::zeros([n_pairs], &logits.device());
    cross_entropy(logits, targets, 0.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Rows of `[3, 1]`: a multiple of one axis each.
    fn axis(place: usize, length: f32, device: &Device) -> Tensor<2> {
        let mut row = [0.0; 3];
        row[place] = length;
        Tensor::from_floats([row], device)
    }

    #[test]
    fn a_query_orthogonal_to_its_negatives_has_a_closed_form() {
        // log(1 + K exp(-(q·k) / τ)).
        let device = Device::flex();
        let (query, key) = (axis(0, 0.5, &device), axis(0, 1.5, &device));
        let queue = Tensor::cat(vec![axis(1, 1.0, &device), axis(2, 4.0, &device)], 0);
        let queue = queue.repeat_dim(0, 3);
        for (normalized, product) in [(false, 0.75), (true, 1.0)] {
            let config = XlcoConfig { normalized, ..XlcoConfig::default() };
            let found: f32 = xlco(query.clone(), key.clone(), queue.clone(), &config).into_scalar();
            let expected = (6.0 * (-product / 0.25f64).exp()).ln_1p() as f32;
            assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
    }

    #[test]
    fn no_gradient_reaches_keys_or_queue() {
        let device = Device::flex().autodiff();
        let leaf = |place| axis(place, 1.0, &device).require_grad();
        let (query, key, queue) = (leaf(0), leaf(1), leaf(2));
        for normalized in [false, true] {
            let config = XlcoConfig { normalized, ..XlcoConfig::default() };
            let loss = xlco(query.clone(), key.clone(), queue.clone(), &config);
            let gradients = loss.backward();
            assert!(key.grad(&gradients).is_none() && queue.grad(&gradients).is_none());
            let gradient = query.grad(&gradients).unwrap().into_data();
            let gradient = gradient.try_into_vec::<f32>().unwrap();
            // Away from the negative and towards the key, equally strong: p = ½, divided by τ.
            let expected = [0.0, -2.0, 2.0];
            assert!(gradient.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn weights_of_eight_pairs_beside_two_dozen_masked_tokens() {
        let factor = |weighting: XlcoWeighting| weighting.factor(8, 24);
        assert_eq!(factor(XlcoWeighting::PerSample), 1.0);
        assert_eq!(factor(XlcoWeighting::PaperSum), 8.0);
        assert_eq!(factor(XlcoWeighting::FairseqTokenNormalized), 0.25);
        assert_eq!(XlcoWeighting::FairseqTokenNormalized.factor(8, 0), 1.0);
        assert_eq!(XlcoWeighting::FairseqTokenNormalized.factor(0, 0), 0.0);
    }

    #[test]
    fn each_fault_names_its_field() {
        let config = XlcoConfig {
            temperature: f64::NAN,
            queue_size: 0,
            momentum: 1.5,
            ..XlcoConfig::default()
        };
        let fields: Vec<_> = config.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["temperature", "queue_size", "momentum"]);
        assert!(XlcoConfig::default().faults().is_empty());
    }
}
