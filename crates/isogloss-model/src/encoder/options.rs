//! Forward pass options: dropout, subnetwork masks, spectral normalization of the classifier and
//! language centring of its inputs.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::nn::DropoutMasks;

/// Options of one forward pass.
#[derive(Clone, Debug, Default)]
pub struct ForwardOptions {
    /// Seed of all dropout masks of the pass; `None` turns dropout off.
    pub dropout_seed: Option<u64>,
    /// Subnetwork mask: factors of the outputs of attention heads and feed-forward blocks.
    pub subnetwork: Option<SubnetworkMask>,
    /// Guided dropout: one rate per unit, in place of the encoder's dropout rate after each
    /// sublayer.
    pub unit_dropout: Option<Arc<UnitDropout>>,
    /// No dropout in the embeddings and in the first `n` blocks; `None` for dropout everywhere.
    pub no_dropout_below: Option<usize>,
    /// Spectral normalization: divides the classifier's weight by its largest singular value.
    pub normalized_head: bool,
    /// Language centring: an affine map of the classifier's inputs; a parser has none.
    pub centring: Option<FeatureCentring>,
}

/// Subnetwork mask: factors of the outputs of attention heads and feed-forward blocks, on the
/// device of the pass.
#[derive(Clone, Debug)]
pub struct SubnetworkMask {
    /// Head mask, `[num_hidden_layers, num_attention_heads]`, applied before the output projection.
    pub heads: Tensor<2>,
    /// Mask of feed-forward blocks, `[num_hidden_layers]`, applied to the output including its
    /// bias, before the residual sum.
    pub feed_forward: Tensor<1>,
}

/// Language centring of one forward pass (Libovický et al. 2020): the features, the inputs of the
/// classifier's last layer, times `scale` plus `shift`; on the device of the pass.
#[derive(Clone, Debug)]
pub struct FeatureCentring {
    /// Factor of each feature, `[1, hidden_size]`.
    pub scale: Tensor<2>,
    /// Shift of each feature, `[1, hidden_size]`, added after the factor.
    pub shift: Tensor<2>,
}

impl FeatureCentring {
    /// Maps features.
    ///
    /// # Shapes
    /// - `features`: `[rows, hidden_size]`
    /// - returns: the same
    pub fn apply(&self, features: Tensor<2>) -> Tensor<2> {
        features * self.scale.clone() + self.shift.clone()
    }
}

/// Guided dropout: one dropout rate per unit of the outputs of the two sublayers of each block.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitDropout {
    /// For each layer, the rates of the `hidden_size` output units of attention and of the
    /// feed-forward network.
    pub layers: Vec<[Vec<f32>; 2]>,
}

impl ForwardOptions {
    /// Evaluation mode: no dropout.
    pub fn evaluation() -> Self {
        Self::default()
    }

    /// Training mode: dropout with this seed.
    pub fn training(dropout_seed: u64) -> Self {
        Self { dropout_seed: Some(dropout_seed), ..Self::default() }
    }

    /// The dropout masks of the pass.
    pub(crate) fn dropout_masks(&self) -> DropoutMasks {
        DropoutMasks::new(self.dropout_seed)
    }

    /// Whether the embeddings (`n` = 0) or block number `n`, from one, have dropout.
    pub(super) fn has_dropout(&self, n: usize) -> bool {
        self.no_dropout_below.is_none_or(|n_without| n_without < n)
    }
}
