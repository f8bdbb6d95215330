//! Embedding layer: layer normalization of the sum of token, position and segment embeddings.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use isogloss_kernels::{Dropout, dropout, embedding};

use crate::nn::{DropoutMasks, LayerNorm};
use crate::params::Builder;
use crate::{EncoderConfig, Init, ModelInput};

/// Embedding layer: the embedding matrices of an encoder and the layer normalization of their sum.
#[derive(Module, Debug)]
pub(super) struct Embeddings {
    pub(super) token: Embedding,
    position: Embedding,
    token_type: Option<Embedding>,
    norm: LayerNorm,
}

impl Embeddings {
    /// Builds the embedding layer.
    pub(super) fn init(config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let width = config.hidden_size;
        let init = Init::Normal(config.initializer_range);
        let mut matrix = |name: &str, n_rows| Embedding {
            weight: builder.param(&format!("embeddings.{name}.weight"), [n_rows, width], init),
        };
        let token = matrix("token", config.vocab_size);
        let position = matrix("position", config.max_position_embeddings);
        let token_type =
            (config.type_vocab_size > 0).then(|| matrix("token_type", config.type_vocab_size));
        let norm = LayerNorm::init("embeddings.norm", width, builder);
        Self { token, position, token_type, norm }
    }

    /// Adds position and segment embeddings to token embeddings, normalizes and applies dropout;
    /// returns `[batch, seq, hidden]`.
    pub(super) fn forward(
        &self,
        tokens: Tensor<3>,
        input: &ModelInput,
        config: &EncoderConfig,
        masks: &mut DropoutMasks,
    ) -> Tensor<3> {
        let mut positions = self.position.rows(input.position_ids.clone());
        if let Some(token_type) = &self.token_type {
            positions = positions + token_type.rows(input.token_type_ids.clone());
        }
        let hidden = self.norm.add(tokens, positions, config.layer_norm_eps, Dropout::OFF);
        dropout(hidden, masks.next(config.hidden_dropout_prob))
    }
}

/// Embedding matrix, `[rows, hidden]`.
#[derive(Module, Debug)]
pub(super) struct Embedding {
    pub(super) weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Embedding lookup of `ids`, `[batch, seq, hidden]`.
    pub(super) fn rows(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        embedding(self.weight.val(), ids)
    }
}
