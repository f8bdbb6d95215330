//! What was added to a model, without that model.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::read::{ADAPTERS, FILE, HEAD, LORAS, OnBase};
use crate::hf::adapters_library::write::save_adapter;
use crate::hf::peft_library::write::save_lora;
use crate::hf::save::{saved_config, write_json, write_safetensors};
use crate::params::named_parameters;
use crate::{HeadSpec, Model, SaveError};

/// The whole model that adapters were added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// What it is called: a folder, or a name on the hub.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
}

/// Writes the active adapters, the low-rank changes and the head of a model, and where the rest of it
/// is: less than a hundredth of the model. [`load`](crate::load) reads the folder as any other.
///
/// Each adapter has a folder `adapters/<name>` of the `adapters` library, each change a folder
/// `lora/<name>` of `peft`; the head is `head.safetensors`, with the names that it has in a Hugging
/// Face file.
///
/// # Errors
/// If a file cannot be written; the message names it.
pub fn save_on_base(
    folder: &Path,
    model: &Model,
    head: Option<&HeadSpec>,
    config_json: &Value,
    base: &Base,
) -> Result<(), SaveError> {
    let encoder = &model.encoder;
    let json = saved_config(encoder.config(), head, None, config_json);
    write_json(&folder.join("config.json"), &json)?;
    let base_name = Some(base.name.as_str());
    let adapters = encoder.active_adapters().to_vec();
    let loras: Vec<String> = encoder.loras().keys().cloned().collect();
    let make = |folder: PathBuf| match std::fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(SaveError { path: folder, source }),
    };
    for name in &adapters {
        let folder = make(folder.join(ADAPTERS).join(name))?;
        save_adapter(&folder, model, name, config_json, base_name)?;
    }
    for name in &loras {
        save_lora(&make(folder.join(LORAS).join(name))?, model, name, None, base_name)?;
    }
    if head.is_some() {
        let mut params = named_parameters(model);
        params.retain(|param| param.path.starts_with("head."));
        for param in &mut params {
            param.path = model.parameter_name(head, &param.path);
        }
        write_safetensors(&folder.join(HEAD), params)?;
    }
    let (base_name, base_folder) = (base.name.clone(), base.folder.clone());
    let on_base = OnBase { base_name, base_folder, adapters, loras };
    let json = serde_json::to_value(on_base).expect("paths and names are printable");
    write_json(&folder.join(FILE), &json)
}
