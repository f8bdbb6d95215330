//! What is trained in place of a whole model.

use isogloss_methods::UnfreezeScope;
use isogloss_model::{AdapterConfig, AdapterError, LoraConfig, Model, RandomParams};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What a recipe's adapter is called in the model and in its folder.
const NAME: &str = "task";

/// The `[adapter]` table: the model stays as it is, and this and the head are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AdapterRecipe {
    /// Pfeiffer's, [`AdapterConfig::seq_bn`].
    SeqBn(BottleneckRecipe),
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
    fn config(&self, kind: fn(f64) -> AdapterConfig) -> AdapterConfig {
        let config = kind(self.reduction_factor).leaving_out(&self.leave_out);
        AdapterConfig { dropout: self.dropout, ..config }
    }
}

impl AdapterRecipe {
    /// What of a layer is trained.
    pub(crate) fn scope(this: Option<&Self>) -> UnfreezeScope {
        match this {
            Some(_) => UnfreezeScope::Adapter(NAME.to_owned()),
            None => UnfreezeScope::Layers,
        }
    }

    /// Puts it into a model, above the adapters that are active, drawn from the seed.
    pub(crate) fn add_to(&self, model: &mut Model, seed: u64) -> Result<(), Error> {
        let added = self.try_add_to(model, seed);
        added.map_err(|error| Error::Unsuitable(format!("adapter: {error}")))
    }

    fn try_add_to(&self, model: &mut Model, seed: u64) -> Result<(), AdapterError> {
        let source = &mut RandomParams::new(seed);
        let config = match self {
            Self::SeqBn(recipe) => recipe.config(AdapterConfig::seq_bn),
            Self::DoubleSeqBn(recipe) => recipe.config(AdapterConfig::double_seq_bn),
            Self::ParBn(recipe) => recipe.config(AdapterConfig::par_bn),
            Self::Lora(config) => return model.encoder.add_lora(NAME, config, source),
        };
        model.encoder.add_adapter(NAME, &config, source)?;
        let mut stack = model.encoder.active_adapters().to_vec();
        stack.retain(|other| other != NAME);
        stack.push(NAME.to_owned());
        model.encoder.set_active_adapters(&stack.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
