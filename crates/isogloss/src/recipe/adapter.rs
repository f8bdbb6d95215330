//! The `[adapter]` table: bottleneck adapters and LoRA, trained in place of the whole model.

use isogloss_model::{AdapterConfig, LoraConfig};
use serde::{Deserialize, Serialize};

/// The `[adapter]` table: the model stays as it is, and this and the head are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AdapterRecipe {
    /// Pfeiffer's, [`AdapterConfig::seq_bn`].
    SeqBn(BottleneckRecipe),
    /// MAD-X's language adapter, [`AdapterConfig::seq_bn_inv`].
    SeqBnInv(BottleneckRecipe),
    /// Houlsby's, [`AdapterConfig::double_seq_bn`].
    DoubleSeqBn(BottleneckRecipe),
    /// He's, [`AdapterConfig::par_bn`].
    ParBn(BottleneckRecipe),
    /// Low-rank changes of projections.
    Lora(LoraConfig),
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
    pub(crate) fn config(&self, kind: fn(f64) -> AdapterConfig) -> AdapterConfig {
        let config = kind(self.reduction_factor).leaving_out(&self.leave_out);
        AdapterConfig { dropout: self.dropout, ..config }
    }
}
