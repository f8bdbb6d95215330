//! Hugging Face folders: reading and writing models, adapters and weights.

pub(crate) mod adapter_only;
pub(crate) mod adapters_library;
pub(crate) mod load;
pub(crate) mod peft_library;
pub(crate) mod save;
pub(crate) mod weights;
