//! Pretrained transformer encoders (BERT, RoBERTa, XLM-R, DistilBERT, ELECTRA) on Burn, with task
//! heads, adapters and LoRA, loaded from and saved to Hugging Face model folders.
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
//!
//! Modules import downwards only, in this order: `surgery` (student models, pruning, vocabulary
//! trimming, quantization), `hf` (Hugging Face folders), `model`, `heads`, `encoder`, `peft`
//! (adapters), `nn` (layers), `config`, `family`, `params`.

#![forbid(unsafe_code)]

mod config;
mod encoder;
mod error;
mod family;
pub mod faults;
mod heads;
mod hf;
mod input;
mod location;
mod model;
mod named;
mod nn;
mod params;
mod peft;
pub mod presets;
mod surgery;

pub use config::{EncoderConfig, Pruning};
pub use encoder::{
    Encoder, EncoderOutput, FeatureCentring, ForwardOptions, SubnetworkMask, UnitDropout,
};
pub use error::{
    AdapterError, ConfigError, InputError, LoadError, LoadFault, SafetensorsError, SaveError,
    StudentError,
};
pub use family::{Family, PositionRule};
pub use heads::{
    Classifier, Head, HeadSpec, LmHeadKind, MaskedLmHead, Parser, ParserConfig, ParserSpec,
    Pooling, ProblemType, Projection, SentencePooling, WordScores, mean_pool,
};
pub use hf::{
    AdapterChoice, BaseModel, Fingerprint, HeadChoice, LabelRows, LoadReport, LoadedAdapter,
    LoadedModel, LoadedPeft, ModelFile, ModelFolder, SentenceDense, SentenceModuleFiles,
    SentenceModules, WeightFiles, base_folder, base_model, find_sentence_modules,
    is_adapter_folder, load, load_adapter, load_bytes, load_masked_lm, load_peft, load_projections,
    missing_base_model, model_files, model_fingerprints, parameter_name, read_config,
    read_sentence_modules, read_sentence_modules_bytes, relative_path, save, save_adapter,
    save_adapter_only, save_peft, save_projections, save_scored, scoring_from_json,
    sentence_module_files, sentence_modules_folder, tokenizer_folder, write_safetensors,
};
pub use input::{ModelInput, Tokens, Words};
pub use location::{ParamLocation, ParamPart};
pub use model::{Model, ModelOutput};
pub use params::{
    Init, NamedParam, ParamMapper, ParamSource, ParamVisitor, RandomParams, map_parameters,
    named_parameters, visit_parameters,
};
pub use peft::{
    AdapterConfig, AdapterInit, AdapterLibrary, AdapterResidual, BottleneckConfig, Ia3Config,
    LoraConfig, NonLinearity, TargetModule,
};
pub use surgery::{Storage, StoredModel, StudentConfig};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
