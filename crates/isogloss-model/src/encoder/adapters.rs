//! Adapter management of an encoder: adding, removing, merging and activating adapters.

use burn::tensor::Tensor;

use super::adapter_set::check_name;
use super::transformer::Encoder;
use crate::params::Builder;
use crate::peft::{AdapterConfig, AdapterLibrary, Part, TargetModule};
use crate::{AdapterError, ParamSource};

impl Encoder {
    /// Adds an adapter of any kind with parameters from `source`; replaces one of the same name and
    /// library.
    ///
    /// An adapter of the [`Adapters`](AdapterLibrary::Adapters) library takes effect once it is
    /// [active](Self::set_active_adapters); one of [`Peft`](AdapterLibrary::Peft) takes effect at
    /// once, together with all others of that library.
    ///
    /// The paths of its parameters contain the adapter's name:
    /// - bottleneck adapter: `layers.<n>.adapters.<name>.<sublayer>.<dense>` with the sublayers
    ///   `attention` and `feed_forward` and the dense layers `down` and `up`, and
    ///   `invertible_adapters.<name>.<half>.<dense>` with the halves `f` and `g`;
    /// - adapter of `Peft`: `layers.<n>.<projection>.<kind>.<name>.<leaf>`; the leaves of LoRA are
    ///   `a` (`[r, in]`) and `b` (`[out, r]`).
    ///
    /// # Errors
    /// If the name is empty or has a dot, or if the adapter does not fit the encoder or the active
    /// stack, or is of another kind than the adapters of `Peft` in the encoder.
    pub fn add_adapter(
        &mut self,
        name: &str,
        config: &(impl Clone + Into<AdapterConfig>),
        source: &mut dyn ParamSource,
    ) -> Result<(), AdapterError> {
        let config = config.clone().into();
        self.check_adapter(name, &config)?;
        let parts = self.adapter_parts(name, &config, source)?;
        self.attach_adapter(name, config, parts);
        Ok(())
    }

    /// Removes an adapter from the encoder and from the active stack.
    ///
    /// # Errors
    /// If there is no adapter of this name.
    pub fn remove_adapter(
        &mut self,
        library: AdapterLibrary,
        name: &str,
    ) -> Result<(), AdapterError> {
        self.adapter(library, name)?;
        self.added.remove(library, name);
        self.detach_adapter(library, name);
        Ok(())
    }

    /// Merges an adapter of the `peft` library into the weights (`merge_and_unload`). Outputs stay
    /// the same up to rounding, and inference costs no more than without the adapter.
    ///
    /// # Errors
    /// If there is no adapter of this name.
    pub fn merge_adapter(&mut self, name: &str) -> Result<(), AdapterError> {
        self.adapter(AdapterLibrary::Peft, name)?;
        for layer in &mut self.layers {
            for target in TargetModule::ALL {
                if let Some(projection) = layer.projection_mut(target) {
                    projection.merge(name);
                }
            }
        }
        self.added.remove(AdapterLibrary::Peft, name);
        Ok(())
    }

    /// Sets the active adapter stack, in the order of the forward pass: with MAD-X the language
    /// adapter, then the task adapter. Only the invertible adapter of the first one is used.
    ///
    /// # Errors
    /// If a name is unknown, or a parallel adapter is stacked with others.
    pub fn set_active_adapters(&mut self, names: &[&str]) -> Result<(), AdapterError> {
        for name in names {
            let is_parallel = self.adapter(AdapterLibrary::Adapters, name)?.is_parallel();
            if is_parallel && names.len() > 1 {
                return Err(AdapterError::ParallelInStack { name: (*name).to_owned() });
            }
        }
        self.added.stack = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    /// Replaces an adapter of the active stack by another, or removes it from the stack: swaps the
    /// language adapter for zero-shot transfer (MAD-X).
    ///
    /// # Errors
    /// If `from` is not active or the adapter `to` is unknown.
    pub fn swap_active_adapter(
        &mut self,
        from: &str,
        to: Option<&str>,
    ) -> Result<(), AdapterError> {
        let index = self.added.stack_index(from)?;
        let stack = self.added.stack.clone();
        let mut names: Vec<&str> = stack.iter().map(String::as_str).collect();
        names.splice(index..=index, to);
        self.set_active_adapters(&names)
    }

    /// The active adapter stack, in the order of the forward pass.
    pub fn active_adapters(&self) -> &[String] {
        &self.added.stack
    }

    /// The adapters of a library, active or not, with their names.
    pub fn adapters(
        &self,
        library: AdapterLibrary,
    ) -> impl Iterator<Item = (&str, &AdapterConfig)> {
        self.added.iter(library)
    }

    /// The configuration of an adapter.
    ///
    /// # Errors
    /// If there is no adapter of this name.
    pub fn adapter(
        &self,
        library: AdapterLibrary,
        name: &str,
    ) -> Result<&AdapterConfig, AdapterError> {
        self.added.get(library, name)
    }

    /// Inverse of the active invertible adapter (MAD-X), for a masked-language-model head that is
    /// tied to the token embeddings.
    ///
    /// # Shapes
    /// - `hidden`, returns: `[batch, seq, hidden]`
    pub fn inverse_invertible_adapter(&self, hidden: Tensor<3>) -> Tensor<3> {
        match self.invertible_adapter() {
            Some(coupling) => coupling.inverse(hidden),
            None => hidden,
        }
    }

    /// Checks that an adapter of this name and configuration can be added.
    pub(crate) fn check_adapter(
        &self,
        name: &str,
        config: &AdapterConfig,
    ) -> Result<(), AdapterError> {
        self.added.check(name, config)
    }

    /// Builds an adapter without changing the encoder.
    pub(crate) fn adapter_parts(
        &self,
        name: &str,
        config: &AdapterConfig,
        source: &mut dyn ParamSource,
    ) -> Result<Vec<Part>, AdapterError> {
        check_name(name)?;
        let device = self.token_embeddings().device();
        config.init(name, &self.config, &mut Builder { source, device: &device })
    }

    /// Inserts the modules that [`adapter_parts`](Self::adapter_parts) built into the encoder.
    pub(crate) fn attach_adapter(&mut self, name: &str, config: AdapterConfig, parts: Vec<Part>) {
        self.detach_adapter(config.library(), name);
        for part in parts {
            match part {
                Part::Embeddings(coupling) => self.invertible_adapters.insert(name, coupling),
                Part::Sublayers(layer, part) => self.layers[layer].adapters.insert(name, part),
                Part::Projection(layer, target, part) => {
                    if let Some(projection) = self.layers[layer].projection_mut(target) {
                        projection.insert(name, part);
                    }
                }
            }
        }
        self.added.insert(name, config);
    }

    fn detach_adapter(&mut self, library: AdapterLibrary, name: &str) {
        match library {
            AdapterLibrary::Adapters => {
                self.layers.iter_mut().for_each(|layer| _ = layer.adapters.remove(name));
                self.invertible_adapters.remove(name);
            }
            AdapterLibrary::Peft => {
                for layer in &mut self.layers {
                    for target in TargetModule::ALL {
                        if let Some(projection) = layer.projection_mut(target) {
                            projection.remove(name);
                        }
                    }
                }
            }
        }
    }
}
