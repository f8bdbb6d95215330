//! Adapters in an encoder: putting them in, taking them out, and choosing the active ones.

use burn::tensor::Tensor;

use super::adapter_set::check_name;
use super::transformer::Encoder;
use crate::params::Builder;
use crate::peft::{AdapterConfig, AdapterLibrary, Part, TargetModule};
use crate::{AdapterError, ParamSource};

impl Encoder {
    /// Puts an adapter of any kind into the encoder, with parameters of `source`; one of the same name
    /// and library is replaced.
    ///
    /// One of the [`Adapters`](AdapterLibrary::Adapters) library acts once it is
    /// [active](Self::set_active_adapters), one of [`Peft`](AdapterLibrary::Peft) at once, with
    /// all others of those.
    ///
    /// Paths of its parameters, in which steps may be the adapter's name, are
    /// - of a bottleneck `layers.<n>.adapters.<name>.<sublayer>.<dense>` with the sublayers `attention`
    ///   and `feed_forward` and the dense layers `down` and `up`, and
    ///   `invertible_adapters.<name>.<half>.<dense>` with the halves `f` and `g`;
    /// - of one of `Peft` `layers.<n>.<projection>.<kind>.<name>.<leaf>`: of LoRA the leaves are `a`
    ///   (`[r, in]`) and `b` (`[out, r]`).
    ///
    /// # Errors
    /// If the name has a dot, or such an adapter does not fit the encoder, the active stack, or the
    /// adapters of `Peft` that are there, which are of one kind.
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

    /// Takes an adapter out, and off the active stack: the encoder is as it was without it.
    ///
    /// # Errors
    /// If there is none of this name.
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

    /// Merges an adapter of the `peft` library into the weights for good. Outputs stay the
    /// same but for rounding, and cost what they did without the adapter.
    ///
    /// # Errors
    /// If there is none of this name.
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

    /// Chooses the adapters that every pass goes through, the lowest first: with MAD-X the language
    /// adapter, then the task adapter. The invertible adapter of the first one acts, no other.
    ///
    /// # Errors
    /// If there is no adapter of a name, or a parallel one is to be stacked.
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

    /// Exchanges an adapter of the active stack for another, or takes it off the stack: how a language
    /// adapter gives way to that of another language (MAD-X).
    ///
    /// # Errors
    /// If `from` is not active or there is no `to`.
    pub fn exchange_adapter(&mut self, from: &str, to: Option<&str>) -> Result<(), AdapterError> {
        let index = self.added.stack_index(from)?;
        let stack = self.added.stack.clone();
        let mut names: Vec<&str> = stack.iter().map(String::as_str).collect();
        names.splice(index..=index, to);
        self.set_active_adapters(&names)
    }

    /// The active adapters, the lowest first.
    pub fn active_adapters(&self) -> &[String] {
        &self.added.stack
    }

    /// The adapters of a library, active or not, by name.
    pub fn adapters(
        &self,
        library: AdapterLibrary,
    ) -> impl Iterator<Item = (&str, &AdapterConfig)> {
        self.added.iter(library)
    }

    /// The configuration of an adapter.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn adapter(
        &self,
        library: AdapterLibrary,
        name: &str,
    ) -> Result<&AdapterConfig, AdapterError> {
        self.added.get(library, name)
    }

    /// Undoes the active invertible adapter: for the layer that turns hidden states into tokens, whose
    /// weights are the token embeddings.
    ///
    /// # Shapes
    /// - `hidden`, returns: `[batch, seq, hidden]`
    pub fn undo_invertible_adapter(&self, hidden: Tensor<3>) -> Tensor<3> {
        match self.invertible_adapter() {
            Some(coupling) => coupling.inverse(hidden),
            None => hidden,
        }
    }

    /// Fails unless an adapter may have this name, and stand beside those that are there.
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

    /// Puts the parts that [`adapter_parts`](Self::adapter_parts) built where they belong.
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
