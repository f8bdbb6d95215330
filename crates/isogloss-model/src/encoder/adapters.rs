//! Adapters in an encoder: which there are, and which a pass goes through.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::Encoder;
use crate::hf::weights::nearest;
use crate::params::Builder;
use crate::peft::bottleneck::module::LayerAdapter;
use crate::peft::invertible::Coupling;
use crate::{AdapterConfig, AdapterError, LoraConfig, ParamSource};

/// What was put into an encoder after it was built.
#[derive(Clone, Debug, Default)]
pub(super) struct AdapterSet {
    adapters: BTreeMap<String, AdapterConfig>,
    stack: Vec<String>,
    pub(super) loras: BTreeMap<String, LoraConfig>,
}

/// The modules of one adapter, before they are put into an encoder.
pub(crate) struct AdapterParts {
    /// By layer; none in a layer that is left out.
    layers: Vec<Option<LayerAdapter>>,
    coupling: Option<Coupling>,
}

impl Encoder {
    /// Puts an adapter into every layer that its configuration does not leave out, with parameters
    /// of `source`; one that has this name already is replaced. It acts once it is
    /// [active](Self::set_active_adapters).
    ///
    /// Paths of its parameters are `layers.<n>.adapters.<name>.<place>.<part>`, with the places
    /// `attention` and `feed_forward` and the parts `down` and `up`, and
    /// `invertible_adapters.<name>.<half>.<part>` with the halves `f` and `g`.
    ///
    /// # Errors
    /// If the name has a dot, or such an adapter does not fit the encoder or the active stack.
    pub fn add_adapter(
        &mut self,
        name: &str,
        config: &AdapterConfig,
        source: &mut dyn ParamSource,
    ) -> Result<(), AdapterError> {
        self.check_adapter_place(name, config)?;
        let parts = self.adapter_parts(name, config, source)?;
        self.attach_adapter(name, config, parts);
        Ok(())
    }

    /// Takes an adapter out, and off the active stack.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn remove_adapter(&mut self, name: &str) -> Result<(), AdapterError> {
        self.adapter(name)?;
        self.added.adapters.remove(name);
        self.added.stack.retain(|other| other != name);
        self.detach_adapter(name);
        Ok(())
    }

    /// Chooses the adapters that every pass goes through, the lowest first: with MAD-X the language
    /// adapter, then the task adapter. The invertible adapter of the first one acts, no other.
    ///
    /// # Errors
    /// If there is no adapter of a name, or a parallel one is to be stacked.
    pub fn set_active_adapters(&mut self, names: &[&str]) -> Result<(), AdapterError> {
        for name in names {
            if self.adapter(name)?.is_parallel && names.len() > 1 {
                return Err(AdapterError::ParallelInStack { name: (*name).to_owned() });
            }
        }
        self.added.stack = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    /// Puts one adapter in the place of another on the active stack, or nothing: how a language
    /// adapter gives way to that of another language.
    ///
    /// # Errors
    /// If `from` is not active or there is no `to`.
    pub fn exchange_adapter(&mut self, from: &str, to: Option<&str>) -> Result<(), AdapterError> {
        let stack = self.added.stack.clone();
        let at = stack.iter().position(|name| name == from);
        let at = at.ok_or_else(|| unknown(from, stack.iter().map(String::as_str)))?;
        let mut names: Vec<&str> = stack.iter().map(String::as_str).collect();
        names.splice(at..=at, to);
        self.set_active_adapters(&names)
    }

    /// The active adapters, the lowest first.
    pub fn active_adapters(&self) -> &[String] {
        &self.added.stack
    }

    /// The adapters that are there, active or not, by name.
    pub fn adapters(&self) -> &BTreeMap<String, AdapterConfig> {
        &self.added.adapters
    }

    /// Undoes the active invertible adapter: for the layer that turns hidden states into tokens,
    /// whose weights are those of the embeddings.
    ///
    /// # Shapes
    /// - `hidden`, returns: `[batch, seq, hidden]`
    pub fn undo_invertible_adapter(&self, hidden: Tensor<3>) -> Tensor<3> {
        match self.invertible_adapter() {
            Some(coupling) => coupling.inverse(hidden),
            None => hidden,
        }
    }

    /// The configuration of an adapter.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn adapter(&self, name: &str) -> Result<&AdapterConfig, AdapterError> {
        let names = self.added.adapters.keys().map(String::as_str);
        self.added.adapters.get(name).ok_or_else(|| unknown(name, names))
    }

    pub(super) fn invertible_adapter(&self) -> Option<&Coupling> {
        self.invertible_adapters.get(self.added.stack.first()?)
    }

    /// Fails unless the adapter can take the place that this name has on the active stack.
    pub(crate) fn check_adapter_place(
        &self,
        name: &str,
        config: &AdapterConfig,
    ) -> Result<(), AdapterError> {
        check_name(name)?;
        let stack = &self.added.stack;
        if config.is_parallel && stack.len() > 1 && stack.iter().any(|other| other == name) {
            return Err(AdapterError::ParallelInStack { name: name.to_owned() });
        }
        Ok(())
    }

    /// Builds an adapter without changing the encoder.
    pub(crate) fn adapter_parts(
        &self,
        name: &str,
        config: &AdapterConfig,
        source: &mut dyn ParamSource,
    ) -> Result<AdapterParts, AdapterError> {
        check_name(name)?;
        config.check(&self.config)?;
        let device = self.embeddings.token.weight.val().device();
        let mut builder = Builder { source, device: &device };
        let width = self.config.hidden_size;
        let layer = |index| {
            let path = format!("layers.{index}.adapters.{name}");
            let is_left_out = config.leave_out.contains(&index);
            (!is_left_out).then(|| LayerAdapter::init(&path, config, width, &mut builder))
        };
        let layers = (0..self.config.num_hidden_layers).map(layer).collect();
        let path = format!("invertible_adapters.{name}");
        let coupling = Coupling::init(&path, config, width, &mut builder);
        Ok(AdapterParts { layers, coupling })
    }

    /// Puts what [`adapter_parts`](Self::adapter_parts) built into its places.
    pub(crate) fn attach_adapter(
        &mut self,
        name: &str,
        config: &AdapterConfig,
        parts: AdapterParts,
    ) {
        self.detach_adapter(name);
        for (layer, part) in self.layers.iter_mut().zip(parts.layers) {
            if let Some(part) = part {
                layer.adapters.insert(name, part);
            }
        }
        if let Some(coupling) = parts.coupling {
            self.invertible_adapters.insert(name, coupling);
        }
        self.added.adapters.insert(name.to_owned(), config.clone());
    }

    fn detach_adapter(&mut self, name: &str) {
        for layer in &mut self.layers {
            layer.adapters.remove(name);
        }
        self.invertible_adapters.remove(name);
    }
}

/// A name is a step of a path, and steps are told apart by dots.
pub(super) fn check_name(name: &str) -> Result<(), AdapterError> {
    if name.is_empty() || name.contains('.') {
        return Err(AdapterError::Name { name: name.to_owned() });
    }
    Ok(())
}

pub(super) fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> AdapterError {
    AdapterError::Unknown { name: name.to_owned(), nearest: nearest(name, names) }
}
