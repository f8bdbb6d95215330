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

mod adapter;
mod config;
mod encoder;
mod error;
mod family;
mod head;
mod input;
mod lm_head;
mod load;
mod lora;
mod model;
mod named;
mod params;
mod parser;
mod place;
pub mod presets;
mod projection;
mod pruning;
mod save;
mod scalar_mix;
mod student;
mod weights;

pub use adapter::{AdapterConfig, AdapterInit, AdapterResidual, NonLinearity};
pub use config::EncoderConfig;
pub use encoder::{Encoder, EncoderOutput, ForwardOptions, SubnetworkMask, UnitDropout};
pub use error::{AdapterError, InputError, LoadError, LoadFault, SaveError};
pub use family::{Family, PositionRule};
pub use head::{Classifier, Head, HeadSpec, Pooling, mean_pool};
pub use input::{ModelInput, Tokens, Words};
pub use lm_head::{LmHeadKind, MaskedLmHead};
pub use load::adapter::{AdapterChoice, LoadedAdapter, load_adapter};
pub use load::lora::{LoadedLora, load_lora};
pub use load::on_base::base_folder;
pub use load::{
    HeadChoice, LoadReport, LoadedModel, load, load_bytes, load_masked_lm, load_projections,
    read_config,
};
pub use lora::{LoraConfig, LoraTarget};
pub use model::{Model, ModelOutput};
pub use params::{
    Init, NamedParam, ParamMapper, ParamSource, ParamVisitor, RandomParams, map_parameters,
    named_parameters, visit_parameters,
};
pub use parser::{Parser, ParserConfig, ParserSpec, WordScores};
pub use place::{ParamLocation, ParamPart};
pub use projection::Projection;
pub use pruning::Pruning;
pub use save::adapter::save_adapter;
pub use save::lora::save_lora;
pub use save::on_base::{Base, save_on_base};
pub use save::stored::{Storage, StoredModel};
pub use save::{parameter_name, save, save_projections, write_safetensors};
pub use student::StudentConfig;
pub use weights::WeightFiles;
