//! Low-rank changes in an encoder.

use std::collections::BTreeMap;

use super::Encoder;
use super::adapters::{check_name, unknown};
use crate::params::Builder;
use crate::peft::lora::config::Lora;
use crate::{AdapterError, LoraConfig, LoraTarget, ParamSource};

/// The modules of one change, before they are put into an encoder.
pub(crate) struct LoraParts(Vec<(usize, LoraTarget, Lora)>);

impl Encoder {
    /// Puts low-rank changes at the projections that `config` names and the encoder has, with
    /// parameters of `source`; one that has this name already is replaced. All that are there act at
    /// once and add up.
    ///
    /// Paths of its parameters are `layers.<n>.<projection>.lora.<name>.a` (`[r, in]`) and `b`
    /// (`[out, r]`).
    ///
    /// # Errors
    /// If the name has a dot, or the changes do not fit the encoder.
    pub fn add_lora(
        &mut self,
        name: &str,
        config: &LoraConfig,
        source: &mut dyn ParamSource,
    ) -> Result<(), AdapterError> {
        let parts = self.lora_parts(name, config, source)?;
        self.attach_lora(name, config, parts);
        Ok(())
    }

    /// Takes the changes of this name out again: the projections are as they were.
    ///
    /// # Errors
    /// If there are none of this name.
    pub fn remove_lora(&mut self, name: &str) -> Result<(), AdapterError> {
        self.lora(name)?;
        self.detach_lora(name);
        Ok(())
    }

    /// Adds the changes of this name to the weights for good. Outputs stay the same but for
    /// rounding, and cost what they did without the changes.
    ///
    /// # Errors
    /// If there are none of this name.
    pub fn merge_lora(&mut self, name: &str) -> Result<(), AdapterError> {
        self.lora(name)?;
        for layer in &mut self.layers {
            for target in LoraTarget::ALL {
                if let Some(projection) = layer.projection_mut(target) {
                    projection.merge(name);
                }
            }
        }
        self.added.loras.remove(name);
        Ok(())
    }

    /// The changes that are there, by name.
    pub fn loras(&self) -> &BTreeMap<String, LoraConfig> {
        &self.added.loras
    }

    /// The configuration of the changes of a name.
    ///
    /// # Errors
    /// If there are none of this name.
    pub fn lora(&self, name: &str) -> Result<&LoraConfig, AdapterError> {
        let names = self.added.loras.keys().map(String::as_str);
        self.added.loras.get(name).ok_or_else(|| unknown(name, names))
    }

    /// Builds the changes without changing the encoder.
    pub(crate) fn lora_parts(
        &self,
        name: &str,
        config: &LoraConfig,
        source: &mut dyn ParamSource,
    ) -> Result<LoraParts, AdapterError> {
        check_name(name)?;
        config.check(&self.config)?;
        let device = self.embeddings.token.weight.val().device();
        let mut builder = Builder { source, device: &device };
        let mut parts = Vec::new();
        for layer in config.layers(self.config.num_hidden_layers) {
            for target in &config.target_modules {
                let Some(sizes) = target.sizes(layer, &self.config) else { continue };
                let path = format!("layers.{layer}.{}.lora.{name}", target.path());
                parts.push((layer, *target, Lora::init(&path, config, sizes, &mut builder)));
            }
        }
        if parts.is_empty() {
            let problem = "all of these are pruned".to_owned();
            return Err(AdapterError::Config { field: "target_modules", problem });
        }
        Ok(LoraParts(parts))
    }

    /// Puts what [`lora_parts`](Self::lora_parts) built into its places.
    pub(crate) fn attach_lora(&mut self, name: &str, config: &LoraConfig, parts: LoraParts) {
        self.detach_lora(name);
        for (layer, target, lora) in parts.0 {
            if let Some(projection) = self.layers[layer].projection_mut(target) {
                projection.lora.insert(name, lora);
            }
        }
        self.added.loras.insert(name.to_owned(), config.clone());
    }

    fn detach_lora(&mut self, name: &str) {
        for layer in &mut self.layers {
            for target in LoraTarget::ALL {
                if let Some(projection) = layer.projection_mut(target) {
                    projection.lora.remove(name);
                }
            }
        }
        self.added.loras.remove(name);
    }
}
