//! Forward pass options: dropout, a subnetwork's mask, and what else one pass may have that another
//! has not.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::nn::DropoutMasks;

/// The options of one forward pass.
#[derive(Clone, Debug, Default)]
pub struct ForwardOptions {
    /// Draws all dropout masks of the pass; nothing is dropped without it.
    pub dropout_seed: Option<u64>,
    /// Multiplies the output of each head and of each feed-forward block.
    pub subnetwork: Option<SubnetworkMask>,
    /// Rates of dropout, unit by unit, in place of the encoder's one rate after each sublayer.
    pub unit_dropout: Option<Arc<UnitDropout>>,
    /// The embeddings and so many of the lowest blocks have no dropout; without it, all have.
    pub no_dropout_below: Option<usize>,
    /// Divides the classifier's weight by its largest singular value (spectral normalization).
    pub normalized_head: bool,
}

/// The mask of a subnetwork: factors of the outputs of attention heads and feed-forward blocks, on the
/// device of the pass.
#[derive(Clone, Debug)]
pub struct SubnetworkMask {
    /// `[num_hidden_layers, num_attention_heads]`: of each head, before the output projection.
    pub heads: Tensor<2>,
    /// `[num_hidden_layers]`: of each feed-forward block, its bias included, before the residual sum.
    pub feed_forward: Tensor<1>,
}

/// Guided dropout: a rate for each unit of the outputs of each block's two sublayers.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitDropout {
    /// By layer: the rates of attention's `hidden_size` units, and of the feed-forward network's.
    pub layers: Vec<[Vec<f32>; 2]>,
}

impl ForwardOptions {
    /// Without dropout.
    pub fn evaluation() -> Self {
        Self::default()
    }

    /// With the dropout masks of this seed.
    pub fn training(dropout_seed: u64) -> Self {
        Self { dropout_seed: Some(dropout_seed), ..Self::default() }
    }

    /// The dropout masks of the pass.
    pub(crate) fn dropout_masks(&self) -> DropoutMasks {
        DropoutMasks::new(self.dropout_seed)
    }

    /// Whether the embeddings (0) or the block number `n`, from one, may drop anything.
    pub(super) fn has_dropout(&self, n: usize) -> bool {
        self.no_dropout_below.is_none_or(|n_without| n_without < n)
    }
}
