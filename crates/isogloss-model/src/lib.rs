//! One encoder for BERT, RoBERTa (XLM-R) and DistilBERT, with heads for sentences, tokens and words,
//! read from and written to Hugging Face folders.
//!
//! ```
//! use burn::tensor::Device;
//! use isogloss_model::{HeadSpec, Model, ForwardOptions, Pooling, RandomParams, presets};
//!
//! let device = Device::flex();
//! let config = presets::tiny(100);
//! let head = HeadSpec::sequence(vec!["no".into(), "yes".into()], Pooling::Mean);
//! let model = Model::init(&config, Some(&head), &mut RandomParams::new(1), &device);
//! let input = config.input(&[5, 6, 7, 5, 6, 0], &[1, 1, 1, 1, 1, 0], &[0; 6], 3, &device)?;
//! let output = model.forward(&input, &ForwardOptions::evaluation());
//! assert_eq!(output.logits.dims(), [2, 2]);
//! # Ok::<(), isogloss_model::InputError>(())
//! ```

#![forbid(unsafe_code)]

mod config;
mod encoder;
mod error;
mod family;
mod heads;
mod hf;
mod input;
mod location;
mod model;
mod named;
mod params;
mod peft;
pub mod presets;
mod surgery;

pub use config::EncoderConfig;
pub use config::pruning::Pruning;
pub use encoder::{Encoder, EncoderOutput, ForwardOptions, SubnetworkMask, UnitDropout};
pub use error::{AdapterError, InputError, LoadError, LoadFault, SaveError};
pub use family::{Family, PositionRule};
pub use heads::classifier::{Classifier, Head, HeadSpec, Pooling, mean_pool};
pub use heads::masked_lm::{LmHeadKind, MaskedLmHead};
pub use heads::parser::{Parser, ParserConfig, ParserSpec, WordScores};
pub use heads::projection::Projection;
pub use hf::adapter_only::read::base_folder;
pub use hf::adapter_only::write::{Base, save_on_base};
pub use hf::adapters_library::read::{AdapterChoice, LoadedAdapter, load_adapter};
pub use hf::adapters_library::write::save_adapter;
pub use hf::load::{
    HeadChoice, LoadReport, LoadedModel, load, load_bytes, load_masked_lm, load_projections,
    read_config,
};
pub use hf::peft_library::read::{LoadedLora, load_lora};
pub use hf::peft_library::write::save_lora;
pub use hf::save::{parameter_name, save, save_projections, write_safetensors};
pub use hf::weights::WeightFiles;
pub use input::{ModelInput, Tokens, Words};
pub use location::{ParamLocation, ParamPart};
pub use model::{Model, ModelOutput};
pub use params::{
    Init, NamedParam, ParamMapper, ParamSource, ParamVisitor, RandomParams, map_parameters,
    named_parameters, visit_parameters,
};
pub use peft::bottleneck::config::{AdapterConfig, AdapterInit, AdapterResidual, NonLinearity};
pub use peft::lora::config::{LoraConfig, LoraTarget};
pub use surgery::checkpoint_edit::{Storage, StoredModel};
pub use surgery::student::StudentConfig;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
