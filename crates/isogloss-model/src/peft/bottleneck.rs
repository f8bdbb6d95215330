//! Bottleneck adapters: their configuration, their module, and their configuration in a folder of the
//! `adapters` library.

pub(crate) mod config;
pub(crate) mod folder;
pub(crate) mod module;
