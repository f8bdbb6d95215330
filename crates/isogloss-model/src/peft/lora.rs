//! Low-rank adaptation (LoRA): its configuration, its module, and its configuration in a folder of
//! the `peft` library.

pub(crate) mod config;
pub(crate) mod folder;
