//! Sentence embeddings: one vector for each text, pooled from the hidden states of a layer.

use burn::tensor::Tensor;
use isogloss_model::{Pooling, mean_pool};

use crate::error::AlignmentError;

/// Sentence embedding configuration: the layer, and the pooling of its hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentenceEmbedding {
    /// Layer, where 0 is the embeddings' output; the last if `None`.
    pub layer: Option<usize>,
    /// Pooling of the tokens' hidden states to one vector.
    pub pooling: Pooling,
}

/// Hidden states of a layer, where 0 is the embeddings' output; `None` is the last layer.
///
/// # Errors
/// If the model has no such layer.
pub fn hidden_state(
    hidden_states: &[Tensor<3>],
    layer: Option<usize>,
) -> Result<Tensor<3>, AlignmentError> {
    let last = hidden_states.len().saturating_sub(1);
    let layer = layer.unwrap_or(last);
    hidden_states.get(layer).cloned().ok_or(AlignmentError::NoLayer { layer, last })
}

/// Sentence embeddings by pooling: the mean of the real tokens' hidden states, or the first token's
/// hidden state, without the dense layer that a head of this pooling has.
///
/// # Shapes
/// - `hidden`: `[batch, seq, hidden]`
/// - `attention_mask`: `[batch, seq]`, 1 for a real token
/// - returns: `[batch, hidden]`
pub fn sentence_embeddings(
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

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
        let value = |pooling| {
            sentence_embeddings(hidden.clone(), mask.clone(), pooling).into_scalar::<f32>()
        };
        assert_eq!((value(Pooling::Mean), value(Pooling::FirstToken)), (2.0, 1.0));
    }
}
