//! The `[adapter]` table: bottleneck adapters and LoRA, trained in place of the whole model.

use isogloss_model::{AdapterConfig, BottleneckConfig, LoraConfig};
use serde::{Deserialize, Serialize};

/// The `[adapter]` table: the model stays as it is, and this and the head are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AdapterRecipe {
    /// Pfeiffer's, [`BottleneckConfig::seq_bn`].
    SeqBn(BottleneckRecipe),
    /// MAD-X's language adapter, [`BottleneckConfig::seq_bn_inv`].
    SeqBnInv(BottleneckRecipe),
    /// Houlsby's, [`BottleneckConfig::double_seq_bn`].
    DoubleSeqBn(BottleneckRecipe),
    /// He's, [`BottleneckConfig::par_bn`].
    ParBn(BottleneckRecipe),
    /// LoRA: low-rank updates of projections.
    Lora(LoraConfig),
}

impl AdapterRecipe {
    /// The adapter that the table describes.
    pub(crate) fn config(&self) -> AdapterConfig {
        match self {
            Self::SeqBn(recipe) => recipe.config(BottleneckConfig::seq_bn),
            Self::SeqBnInv(recipe) => recipe.config(BottleneckConfig::seq_bn_inv),
            Self::DoubleSeqBn(recipe) => recipe.config(BottleneckConfig::double_seq_bn),
            Self::ParBn(recipe) => recipe.config(BottleneckConfig::par_bn),
            Self::Lora(config) => config.clone().into(),
        }
    }
}

/// The sizes of a bottleneck adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BottleneckRecipe {
    /// The hidden size divided by this is the bottleneck's width.
    pub reduction_factor: f64,
    /// Dropout of the adapter's output.
    pub dropout: f64,
    /// Layers without an adapter, from zero.
    pub leave_out: Vec<usize>,
}

impl Default for BottleneckRecipe {
    fn default() -> Self {
        Self { reduction_factor: 16.0, dropout: 0.0, leave_out: Vec::new() }
    }
}

impl BottleneckRecipe {
    fn config(&self, kind: fn(f64) -> BottleneckConfig) -> AdapterConfig {
        let config = kind(self.reduction_factor).leaving_out(&self.leave_out);
        BottleneckConfig { dropout: self.dropout, ..config }.into()
    }
}
