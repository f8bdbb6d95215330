//! XLCo, the cross-lingual contrast of InfoXLM (Chi et al. 2021): contrasts a sentence with its
//! translation and a queue of negatives, whose keys come from a momentum encoder (MoCo).

mod config;
pub(crate) mod negative_queue;
mod state;

use burn::tensor::{Int, Tensor};
use isogloss_kernels::cross_entropy;

use self::config::KEY;
pub use self::config::{XlcoConfig, XlcoWeighting};
use crate::error::ObjectiveError;
use crate::faults::{Faults, at_least_one, positive, share};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::{Needs, Width};
use crate::normalize::l2_normalized;
use crate::sentence_embedding::SentenceEmbedding;
use crate::state::MethodState;
use crate::step::StepInput;

impl Method for XlcoConfig {
    const INFO: MethodInfo = MethodInfo {
        key: KEY,
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
        let momentum = share("momentum", self.momentum);
        let schedule = self.momentum_schedule.faults(self.momentum);
        let temperature = positive("temperature", self.temperature);
        temperature.into_iter().chain(queue).chain(momentum).chain(schedule).collect()
    }
}

impl Objective for XlcoConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let embedding = SentenceEmbedding { layer: Some(self.layer), pooling: self.pooling };
        Needs {
            views: self.sides().to_vec(),
            sentence_embedding: Some(embedding),
            projection_head: self.projection.then(|| vec![Width::Hidden; 2]),
            contrast_texts: self.contrast_texts(),
            sample_text: self.sample_text(),
            negative_queue: Some(self.queue_size),
            ..Needs::default()
        }
    }

    fn state(&self) -> Option<Box<dyn MethodState>> {
        Some(Box::new(state::XlcoState::new(self.clone())))
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [query, key] = self.sides();
        let [query, key] = [self.embeddings(input, query)?, self.embeddings(input, key)?];
        let queue = input.negative_queue(self.name())?;
        let factor = self.weighting.factor(query.dims()[0], input);
        Ok(xlco(query, key, queue, self) * factor)
    }
}

/// XLCo loss, InfoNCE with a negative queue: the mean over pairs of
/// `-log (exp(qᵢ·kᵢ / τ) / (exp(qᵢ·kᵢ / τ) + Σⱼ exp(qᵢ·nⱼ / τ)))`, in nats,
/// with the queue's keys n.
///
/// Keys and queue are constants, which get no gradient. With `normalized`, all three are
/// L2-normalized first.
///
/// # Shapes
/// - `query`, `key`: `[pairs, width]`, row by row translations of each other
/// - `queue`: `[queue_size, width]`, the keys of earlier pairs
/// - returns: `[1]`; zero without pairs
///
/// # Source
/// See [`XlcoConfig`]. The factor of [`XlcoWeighting`] is not included.
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
    fn axis(dimension: usize, length: f32, device: &Device) -> Tensor<2> {
        let mut row = [0.0; 3];
        row[dimension] = length;
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
        let leaf = |dimension| axis(dimension, 1.0, &device).require_grad();
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
