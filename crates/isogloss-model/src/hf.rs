//! Hugging Face model folders: loading and saving of models, adapters and weight files
//! (safetensors, PyTorch).

mod adapter_folder;
mod adapter_head;
mod adapter_only;
mod adapters_library;
mod config_json;
mod fingerprint;
mod folder;
mod folder_with_base;
mod head_class;
mod head_source;
mod index;
mod json;
mod load;
mod loaded;
mod model_files;
mod model_folder;
mod names;
mod peft_library;
mod projections;
mod save;
mod sentence_transformers;
mod weights;

pub use adapter_only::save_adapter_only;
pub use adapters_library::{AdapterChoice, LoadedAdapter, load_adapter, save_adapter};
pub use config_json::{read_config, scoring_from_json};
pub use fingerprint::Fingerprint;
pub use folder_with_base::ModelFolder;
pub use index::{BaseModel, relative_path};
pub(crate) use json::write_json;
pub use load::{load, load_bytes, load_masked_lm};
pub use loaded::{HeadChoice, LabelRows, LoadReport, LoadedModel};
pub use model_files::{
    ModelFile, find_sentence_modules, model_files, model_fingerprints, sentence_modules_folder,
};
pub use model_folder::{
    base_folder, base_model, is_adapter_folder, missing_base_model, tokenizer_folder,
};
pub(crate) use names::TIED_LM_BIAS;
pub use names::parameter_name;
pub use peft_library::{LoadedPeft, load_peft, save_peft};
pub use projections::{load_projections, save_projections};
pub use save::{save, save_scored};
pub use sentence_transformers::{
    SentenceDense, SentenceModuleFiles, SentenceModules, read_sentence_modules,
    read_sentence_modules_bytes, sentence_module_files,
};
pub(crate) use weights::{Bytes, INT8, SCALE, write_tensors};
pub use weights::{WeightFiles, write_safetensors};
