//! Parameter-efficient fine-tuning (PEFT): bottleneck adapters, invertible adapters and LoRA.

pub(crate) mod bottleneck;
pub(crate) mod invertible;
pub(crate) mod lora;
