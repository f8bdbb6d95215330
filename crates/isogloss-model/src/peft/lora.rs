//! Low-rank adaptation (LoRA) of linear projections.

mod config;
mod folder;
mod module;

pub use config::LoraConfig;
pub(super) use folder::{PEFT_TYPE, config_fields, read_config, tensor_name};
pub(crate) use module::Lora;
