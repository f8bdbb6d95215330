//! Encoder output of one side of a step's sentence pairs: hidden states and attention maps.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use isogloss_model::Pooling;

use crate::error::AlignmentError;
use crate::sentence_embedding::{hidden_state, sentence_embeddings};

/// Encoder output of one side of a step's sentence pairs: hidden states and attention maps.
#[derive(Clone, Debug)]
pub struct Sentences {
    /// Hidden states, see
    /// [`EncoderOutput::hidden_states`](isogloss_model::EncoderOutput::hidden_states).
    pub hidden_states: Vec<Tensor<3>>,
    /// Attention mask `[batch, seq]`, 1 for a real token.
    pub attention_mask: Tensor<2>,
    /// Attention maps of the requested layers, see
    /// [`Needs::attention_maps`](crate::Needs::attention_maps): `[batch, heads, seq, seq]`,
    /// log-probabilities.
    pub attentions: BTreeMap<usize, Tensor<4>>,
}

impl Sentences {
    /// Hidden states of a layer, where 0 is the embeddings' output; `None` is the last layer.
    ///
    /// # Errors
    /// If the model has no such layer.
    pub fn states(&self, layer: Option<usize>) -> Result<Tensor<3>, AlignmentError> {
        hidden_state(&self.hidden_states, layer)
    }

    /// Attention maps of a layer, where 1 is the first block.
    ///
    /// # Errors
    /// If the model has no such layer, or all heads of the layer are pruned.
    pub fn attention(&self, layer: usize) -> Result<Tensor<4>, AlignmentError> {
        let last = self.hidden_states.len().saturating_sub(1);
        self.attentions.get(&layer).cloned().ok_or(match layer > last {
            true => AlignmentError::NoLayer { layer, last },
            false => AlignmentError::NoHeads { layer },
        })
    }

    /// Sentence embeddings, `[batch, hidden]`, pooled from the hidden states of a layer.
    ///
    /// # Errors
    /// If the model has no such layer.
    pub fn vectors(
        &self,
        layer: Option<usize>,
        pooling: Pooling,
    ) -> Result<Tensor<2>, AlignmentError> {
        Ok(sentence_embeddings(self.states(layer)?, self.attention_mask.clone(), pooling))
    }
}
