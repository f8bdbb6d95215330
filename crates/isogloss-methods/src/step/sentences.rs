//! The hidden states and attention maps of one side of a step's pairs.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use isogloss_model::Pooling;

use crate::error::AlignmentError;
use crate::sentence_embedding::{hidden_state, sentence_embeddings};

/// The hidden states and attention maps of one side of a step's pairs.
#[derive(Clone, Debug)]
pub struct Sentences {
    /// See [`EncoderOutput::hidden_states`](isogloss_model::EncoderOutput::hidden_states).
    pub hidden_states: Vec<Tensor<3>>,
    /// `[batch, seq]`, 1 for a real token.
    pub attention_mask: Tensor<2>,
    /// The attention maps of the layers that an objective asks for, see
    /// [`Needs::attention_maps`](crate::Needs::attention_maps): `[batch, heads, seq, seq]`, logarithms.
    pub attentions: BTreeMap<usize, Tensor<4>>,
}

impl Sentences {
    /// The hidden states of a layer, counted from the embeddings' output, 0; the last one's if `None`.
    ///
    /// # Errors
    /// If the model is not that deep.
    pub fn states(&self, layer: Option<usize>) -> Result<Tensor<3>, AlignmentError> {
        hidden_state(&self.hidden_states, layer)
    }

    /// The attention maps of a layer, counted from 1, the first block.
    ///
    /// # Errors
    /// If the model is not that deep, or all heads of the layer are pruned.
    pub fn attention(&self, layer: usize) -> Result<Tensor<4>, AlignmentError> {
        let last = self.hidden_states.len().saturating_sub(1);
        self.attentions.get(&layer).cloned().ok_or(match layer > last {
            true => AlignmentError::NoLayer { layer, last },
            false => AlignmentError::NoHeads { layer },
        })
    }

    /// One sentence embedding a text, `[batch, hidden]`.
    ///
    /// # Errors
    /// If the model is not that deep.
    pub fn vectors(
        &self,
        layer: Option<usize>,
        pooling: Pooling,
    ) -> Result<Tensor<2>, AlignmentError> {
        Ok(sentence_embeddings(self.states(layer)?, self.attention_mask.clone(), pooling))
    }
}
