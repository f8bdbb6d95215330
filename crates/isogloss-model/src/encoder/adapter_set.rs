//! The adapters of an encoder: configurations by name, and the active stack.

use std::collections::BTreeMap;

use crate::AdapterError;
use crate::error::nearest;
use crate::peft::{AdapterConfig, AdapterLibrary};

/// The adapters that were put into an encoder after it was built.
#[derive(Clone, Debug, Default)]
pub(super) struct AdapterSet {
    configs: BTreeMap<(AdapterLibrary, String), AdapterConfig>,
    /// Names of the active adapters of the `adapters` library, the lowest first.
    pub(super) stack: Vec<String>,
}

impl AdapterSet {
    /// Adds a configuration, in place of one of the same name and library.
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

    /// The configurations of a library, by name.
    pub(super) fn iter(
        &self,
        library: AdapterLibrary,
    ) -> impl Iterator<Item = (&str, &AdapterConfig)> {
        let configs = self.configs.iter().filter(move |((of, _), _)| *of == library);
        configs.map(|((_, name), config)| (name.as_str(), config))
    }

    /// The configuration of a name.
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

    /// The index of a name on the active stack.
    pub(super) fn stack_index(&self, name: &str) -> Result<usize, AdapterError> {
        let found = self.stack.iter().position(|other| other == name);
        found.ok_or_else(|| unknown(name, self.stack.iter().map(String::as_str)))
    }

    /// Fails unless the adapter can take the position that its name has on the active stack, and is of
    /// the kind of those that act at projections with it.
    pub(super) fn check(&self, name: &str, config: &AdapterConfig) -> Result<(), AdapterError> {
        check_name(name)?;
        let is_stacked = self.stack.len() > 1 && self.stack.iter().any(|other| other == name);
        if config.is_parallel() && is_stacked {
            return Err(AdapterError::ParallelInStack { name: name.to_owned() });
        }
        // What adds to an output and what rescales it do not commute, so that neither could be merged
        // without the other; the library refuses the mixture too.
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

/// A name is a step of a path, and steps are told apart by dots.
pub(super) fn check_name(name: &str) -> Result<(), AdapterError> {
    if name.is_empty() || name.contains('.') {
        return Err(AdapterError::Name { name: name.to_owned() });
    }
    Ok(())
}

fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> AdapterError {
    AdapterError::Unknown { name: name.to_owned(), nearest: nearest(name, names) }
}
