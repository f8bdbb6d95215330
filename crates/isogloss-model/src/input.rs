//! Model input: one batch of token IDs on a device, with attention mask and position IDs.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{EncoderConfig, InputError};

/// Encoder input: token IDs, token embeddings or cached hidden states.
#[derive(Clone, Debug)]
pub enum Tokens {
    /// Token IDs, `[batch, seq]`.
    Ids(Tensor<2, Int>),
    /// Token embeddings in place of token IDs, `[batch, seq, hidden]` (`inputs_embeds` of
    /// `transformers`).
    Embeddings(Tensor<3>),
    /// Cached hidden states of an earlier pass over the same tokens; this pass continues from them.
    States {
        /// Hidden states, `[batch, seq, hidden]`.
        states: Tensor<3>,
        /// Index of the layer that they are the output of: the number of blocks that computed them.
        layer: usize,
    },
}

impl Tokens {
    fn map(
        self,
        map_ids: impl Fn(Tensor<2, Int>) -> Tensor<2, Int>,
        map_states: impl Fn(Tensor<3>) -> Tensor<3>,
    ) -> Self {
        match self {
            Self::Ids(ids) => Self::Ids(map_ids(ids)),
            Self::Embeddings(embeddings) => Self::Embeddings(map_states(embeddings)),
            Self::States { states, layer } => Self::States { states: map_states(states), layer },
        }
    }
}

/// Model input: the tensors of one batch.
#[derive(Clone, Debug)]
pub struct ModelInput {
    /// Token IDs, token embeddings or cached hidden states.
    pub tokens: Tokens,
    /// Position IDs, `[batch, seq]`.
    pub position_ids: Tensor<2, Int>,
    /// Token type (segment) IDs, `[batch, seq]`; ignored by families without segment embeddings.
    pub token_type_ids: Tensor<2, Int>,
    /// Attention mask, `[batch, seq]`: 1 for a real token and 0 for padding.
    pub attention_mask: Tensor<2>,
    /// Word positions, for a parser; `None` for other task heads.
    pub words: Option<Words>,
}

/// Words of a batch, given by the positions of their first subwords.
#[derive(Clone, Debug)]
pub struct Words {
    /// Position of each word's first subword in its row, `[batch, n_words]`; any position where
    /// there is no word.
    pub first_subwords: Tensor<2, Int>,
    /// Word mask, `[batch, n_words]`: 1 for a word, 0 for padding and for words without a token.
    pub mask: Tensor<2>,
    /// Syntactic head of each word, for which relations are scored, `[batch, n_words]`: 0 for the
    /// root, else the index of a word, from 1; `None` to score no relations.
    pub heads: Option<Tensor<2, Int>>,
}

impl Words {
    fn map(
        &self,
        ints: impl Fn(Tensor<2, Int>) -> Tensor<2, Int>,
        floats: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Self {
        Self {
            first_subwords: ints(self.first_subwords.clone()),
            mask: floats(self.mask.clone()),
            heads: self.heads.clone().map(ints),
        }
    }
}

/// Score of a masked position: far below all others, and finite.
pub(crate) const MASKED: f64 = -1e9;

impl ModelInput {
    /// Attention bias from the attention mask, `[batch, seq]`: added to the scores of each key, 0
    /// for a real token and [`MASKED`] for padding.
    ///
    /// A row without real tokens attends to its padding as if that were real. With [`MASKED`] on all
    /// keys, the log-sum-exp of its scores would be [`MASKED`] in `f32`, without the logarithm, and
    /// attention that recomputes its probabilities from it would have no sum of one.
    pub(crate) fn attention_bias(&self) -> Tensor<2> {
        let mask = self.attention_mask.clone();
        (mask.clone() - mask.max_dim(1)) * (-MASKED)
    }

    /// Detaches the batch from the autodiff graph.
    #[must_use]
    pub fn without_autodiff(self) -> Self {
        Self {
            tokens: self.tokens.map(Tensor::without_autodiff, Tensor::without_autodiff),
            position_ids: self.position_ids.without_autodiff(),
            token_type_ids: self.token_type_ids.without_autodiff(),
            attention_mask: self.attention_mask.without_autodiff(),
            words: self
                .words
                .map(|words| words.map(Tensor::without_autodiff, Tensor::without_autodiff)),
        }
    }

    /// Repeats the batch along the batch dimension, each time with other token embeddings.
    ///
    /// # Shapes
    /// - `embeddings`: k times `[batch, seq, hidden]`
    /// - returns: `k * batch` rows
    #[must_use]
    pub fn repeated(&self, embeddings: Vec<Tensor<3>>) -> Self {
        let n = embeddings.len();
        Self {
            tokens: Tokens::Embeddings(Tensor::cat(embeddings, 0)),
            position_ids: self.position_ids.clone().repeat_dim(0, n),
            token_type_ids: self.token_type_ids.clone().repeat_dim(0, n),
            attention_mask: self.attention_mask.clone().repeat_dim(0, n),
            words: self
                .words
                .as_ref()
                .map(|words| words.map(|x| x.repeat_dim(0, n), |x| x.repeat_dim(0, n))),
        }
    }

    /// Slices a range of rows out of the batch.
    #[must_use]
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let (start, n) = (rows.start, rows.len());
        Self {
            tokens: self
                .tokens
                .clone()
                .map(|ids| ids.narrow(0, start, n), |states| states.narrow(0, start, n)),
            position_ids: self.position_ids.clone().narrow(0, start, n),
            token_type_ids: self.token_type_ids.clone().narrow(0, start, n),
            attention_mask: self.attention_mask.clone().narrow(0, start, n),
            words: self
                .words
                .as_ref()
                .map(|words| words.map(|x| x.narrow(0, start, n), |x| x.narrow(0, start, n))),
        }
    }

    /// Copies the batch with other token embeddings, `[batch, seq, hidden]`.
    pub fn with_embeddings(&self, embeddings: Tensor<3>) -> Self {
        Self { tokens: Tokens::Embeddings(embeddings), ..self.clone() }
    }
}

impl EncoderConfig {
    /// Builds a model input on a device from token IDs, attention mask and token type IDs, all
    /// row-major `[batch, seq_len]`.
    ///
    /// # Errors
    /// If the slices differ in length, a token is outside the vocabulary or a row is too long.
    pub fn input(
        &self,
        input_ids: &[i32],
        attention_mask: &[u8],
        token_type_ids: &[i32],
        seq_len: usize,
        device: &Device,
    ) -> Result<ModelInput, InputError> {
        let expected = input_ids.len();
        for (field, found) in
            [("attention_mask", attention_mask.len()), ("token_type_ids", token_type_ids.len())]
        {
            if found != expected {
                return Err(InputError::Length { field, expected, found });
            }
        }
        if seq_len == 0 || !expected.is_multiple_of(seq_len) {
            let expected = expected.next_multiple_of(seq_len.max(1));
            return Err(InputError::Length {
                field: "input_ids",
                expected,
                found: input_ids.len(),
            });
        }
        if seq_len > self.max_tokens() {
            return Err(InputError::TooLong { found: seq_len, max: self.max_tokens() });
        }
        let in_vocabulary = |id: &i32| usize::try_from(*id).is_ok_and(|id| id < self.vocab_size);
        if let Some(index) = input_ids.iter().position(|id| !in_vocabulary(id)) {
            let (row, column) = (index / seq_len, index % seq_len);
            let (id, vocab_size) = (input_ids[index], self.vocab_size);
            return Err(InputError::TokenId { id, row, column, vocab_size });
        }
        let last_type = self.type_vocab_size.max(1) as i32 - 1;
        let types = token_type_ids.iter().map(|id| (*id).clamp(0, last_type)).collect();
        let (rule, pad) = (self.position_rule(), self.pad_token_id);
        let positions = input_ids.chunks(seq_len).flat_map(|row| rule.position_ids(pad, row));
        let positions = positions.collect();
        let shape = [expected / seq_len, seq_len];
        let int =
            |values: Vec<i32>| Tensor::<2, Int>::from_data(TensorData::new(values, shape), device);
        let mask: Vec<f32> = attention_mask.iter().map(|real| f32::from(*real != 0)).collect();
        Ok(ModelInput {
            tokens: Tokens::Ids(int(input_ids.to_vec())),
            position_ids: int(positions),
            token_type_ids: int(types),
            attention_mask: Tensor::from_data(TensorData::new(mask, shape), device),
            words: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;

    #[test]
    fn faulty_batches_are_refused() {
        let (config, device) = (presets::tiny(10), Device::flex());
        let input = |ids: &[i32], seq_len| {
            config.input(ids, &vec![1; ids.len()], &vec![0; ids.len()], seq_len, &device).err()
        };
        assert_eq!(
            input(&[1, 2, 3, 10], 2),
            Some(InputError::TokenId { id: 10, row: 1, column: 1, vocab_size: 10 })
        );
        assert!(matches!(input(&[1, -2], 2), Some(InputError::TokenId { id: -2, .. })));
        assert!(matches!(input(&[1, 2, 3], 2), Some(InputError::Length { .. })));
        assert!(matches!(input(&[1; 600], 600), Some(InputError::TooLong { found: 600, .. })));
        assert_eq!(input(&[1, 2], 2), None);
    }

    #[test]
    fn a_row_without_real_tokens_has_no_bias() {
        let config = presets::tiny(10);
        let input = config.input(&[1; 6], &[1, 1, 0, 0, 0, 0], &[0; 6], 3, &Device::flex());
        let bias = input.unwrap().attention_bias().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(bias, [0.0, 0.0, MASKED as f32, 0.0, 0.0, 0.0]);
    }
}
