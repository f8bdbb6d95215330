//! Adapter registry of an encoder: configurations by name, and the active stack.

use std::collections::BTreeMap;

use crate::AdapterError;
use crate::error::nearest;
use crate::peft::{AdapterConfig, AdapterLibrary};

/// Adapter registry: the configurations of the adapters in an encoder, and the active stack.
#[derive(Clone, Debug, Default)]
pub(super) struct AdapterSet {
    configs: BTreeMap<(AdapterLibrary, String), AdapterConfig>,
    /// Names of the active adapters of the `adapters` library, in the order of the forward pass.
    pub(super) stack: Vec<String>,
}

impl AdapterSet {
    /// Inserts a configuration, replacing one of the same name and library.
    pub(super) fn insert(&mut self, name: &str, config: AdapterConfig) {
        self.configs.insert((config.library(), name.to_owned()), config);
    }

    /// Removes a configuration, and its name from the active stack.
    pub(super) fn remove(&mut self, library: AdapterLibrary, name: &str) {
        self.configs.remove(&(library, name.to_owned()));
        if library == AdapterLibrary::Adapters {
            self.stack.retain(|other| other != name);
        }
    }

    /// The configurations of a library with their names.
    pub(super) fn iter(
        &self,
        library: AdapterLibrary,
    ) -> impl Iterator<Item = (&str, &AdapterConfig)> {
        let configs = self.configs.iter().filter(move |((of, _), _)| *of == library);
        configs.map(|((_, name), config)| (name.as_str(), config))
    }

    /// The configuration with this name.
    pub(super) fn get(
        &self,
        library: AdapterLibrary,
        name: &str,
    ) -> Result<&AdapterConfig, AdapterError> {
        let found = self.iter(library).find(|(other, _)| *other == name);
        found
            .map(|(_, config)| config)
            .ok_or_else(|| unknown(name, self.iter(library).map(|(name, _)| name)))
    }

    /// Index of a name in the active stack.
    pub(super) fn stack_index(&self, name: &str) -> Result<usize, AdapterError> {
        let found = self.stack.iter().position(|other| other == name);
        found.ok_or_else(|| unknown(name, self.stack.iter().map(String::as_str)))
    }

    /// Checks that the adapter can be added: a parallel adapter cannot be stacked with others, and
    /// all adapters of the `peft` library must be of one kind.
    pub(super) fn check(&self, name: &str, config: &AdapterConfig) -> Result<(), AdapterError> {
        check_name(name)?;
        let is_stacked = self.stack.len() > 1 && self.stack.iter().any(|other| other == name);
        if config.is_parallel() && is_stacked {
            return Err(AdapterError::ParallelInStack { name: name.to_owned() });
        }
        // LoRA adds to an output and (IA)³ rescales it; the two do not commute, so neither could
        // be merged alone. The `peft` library refuses the mixture too.
        let mut beside = self.iter(AdapterLibrary::Peft).filter(|(other, _)| *other != name);
        match beside.find(|(_, other)| other.kind() != config.kind()) {
            Some((other, beside)) if config.library() == AdapterLibrary::Peft => {
                Err(AdapterError::OtherKind {
                    name: name.to_owned(),
                    kind: config.kind(),
                    beside: other.to_owned(),
                    beside_kind: beside.kind(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Checks an adapter name: it is a part of parameter paths, so it must not be empty or contain a
/// dot.
pub(super) fn check_name(name: &str) -> Result<(), AdapterError> {
    if name.is_empty() || name.contains('.') {
        return Err(AdapterError::Name { name: name.to_owned() });
    }
    Ok(())
}

fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> AdapterError {
    AdapterError::Unknown { name: name.to_owned(), nearest: nearest(name, names) }
}
