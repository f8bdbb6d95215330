//! Losses that bring translations together: whole sentences, or the words of sentences.
//!
//! They are functions of vectors. What reads both sides of a translation, which words are links and
//! which model gives the keys is the trainer's.

mod distillation;
mod error;
mod gradient_cache;
mod info_nce;
mod layerwise_distillation;
mod momentum;
mod negative_queue;
mod realign;
mod words;
mod xlco;

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_model::{Pooling, mean_pool};

pub use distillation::{EmbeddingDistillationConfig, embedding_distillation};
pub use error::AlignmentError;
pub use gradient_cache::{surrogate_loss, vector_gradients};
pub use info_nce::{InfoNceConfig, info_nce};
pub use layerwise_distillation::{
    AttentionDistillationConfig, DistilledSides, StateDistillationConfig, attention_distillation,
    state_distillation,
};
pub use momentum::momentum_update;
pub use negative_queue::NegativeQueue;
pub use realign::{
    AlignmentStrength, ContrastiveRealignConfig, L2RealignConfig, RealignConfig, RealignLoss,
    realign_contrastive, realign_l2,
};
pub use words::{WordLinks, WordVector, WordVectors};
pub use xlco::{XlcoConfig, XlcoWeighting, xlco};

/// The hidden state of a layer, counted from the embeddings' output, 0; `None` is the last one's.
///
/// # Errors
/// If the model is not that deep.
pub fn hidden_state(
    hidden_states: &[Tensor<3>],
    layer: Option<usize>,
) -> Result<Tensor<3>, AlignmentError> {
    let last = hidden_states.len().saturating_sub(1);
    let layer = layer.unwrap_or(last);
    hidden_states.get(layer).cloned().ok_or(AlignmentError::NoLayer { layer, last })
}

/// One vector a sentence: the mean of its real tokens' states, or its first token's state as it is,
/// without the dense layer that a head of this pooling has.
///
/// # Shapes
/// - `hidden`: `[batch, seq, hidden]`
/// - `attention_mask`: `[batch, seq]`, 1 for a real token
/// - returns: `[batch, hidden]`
pub fn sentence_vectors(
    hidden: Tensor<3>,
    attention_mask: Tensor<2>,
    pooling: Pooling,
) -> Tensor<2> {
    let [batch, _, width] = hidden.dims();
    match pooling {
        Pooling::Mean => mean_pool(hidden, attention_mask),
        Pooling::FirstToken => hidden.narrow(1, 0, 1).reshape([batch, width]),
    }
}

/// The square of the shortest length that still counts: shorter rows keep their direction and come
/// out shorter than 1, as in PyTorch's `normalize`.
const MIN_SQUARED_NORM: f64 = 1e-24;

/// Divides each row by its length; a row of zeros stays, with a gradient of zero.
fn unit_rows(x: Tensor<2>) -> Tensor<2> {
    let norms = x.clone().square().sum_dim(1).clamp_min(MIN_SQUARED_NORM).sqrt();
    x / norms
}

fn indices(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// What is wrong with a configuration: the field and the reason.
type Faults = Vec<(&'static str, String)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_count_from_the_embeddings() {
        let states: Vec<Tensor<3>> =
            (0..3).map(|i| Tensor::full([1, 1, 1], i as f32, &Device::flex())).collect();
        let value = |layer| hidden_state(&states, layer).map(|x| x.into_scalar::<f32>());
        assert_eq!(value(None), Ok(2.0));
        assert_eq!(value(Some(0)), Ok(0.0));
        let error = value(Some(3)).unwrap_err();
        assert_eq!(error.to_string(), "layer 3: the last layer of the model is 2");
    }

    #[test]
    fn sentences_are_their_mean_or_their_first_token() {
        let device = Device::flex();
        let hidden = Tensor::from_floats([[[1.0], [3.0], [99.0]]], &device);
        let mask = Tensor::from_floats([[1.0, 1.0, 0.0]], &device);
        let value =
            |pooling| sentence_vectors(hidden.clone(), mask.clone(), pooling).into_scalar::<f32>();
        assert_eq!((value(Pooling::Mean), value(Pooling::FirstToken)), (2.0, 1.0));
    }

    #[test]
    fn a_vector_of_zeros_has_no_direction_and_no_gradient() {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &device).require_grad();
        let y = unit_rows(x.clone());
        let gradients = y.clone().sum().backward();
        let values = |x: Tensor<2>| x.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(values(y), [0.6, 0.8, 0.0, 0.0]);
        let gradient = values(x.grad(&gradients).unwrap());
        assert!(gradient.iter().all(|x| x.is_finite()), "{gradient:?}");
    }
}
