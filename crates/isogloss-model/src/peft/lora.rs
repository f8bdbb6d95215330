//! LoRA, low-rank adaptation of linear projections (Hu et al. 2022).

mod config;
mod folder;
mod module;

pub use config::LoraConfig;
pub(super) use folder::{PEFT_TYPE, config_fields, read_config, tensor_name};
pub(crate) use module::Lora;
