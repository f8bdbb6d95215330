//! Shared basics: devices, the Hugging Face Hub, atomic file writes, random seeds, files of
//! texts, tensor transfer.

pub(crate) mod batch_limit;
pub mod device;
pub(crate) mod files;
#[cfg(feature = "hub")]
pub mod hub;
pub(crate) mod max_length;
pub(crate) mod outputs;
pub(crate) mod plain_text;
pub(crate) mod sample;
pub(crate) mod seeds;
pub(crate) mod sentence_modules;
pub(crate) mod tensors;
pub(crate) mod tokenizer_files;
pub(crate) mod vocabulary;
