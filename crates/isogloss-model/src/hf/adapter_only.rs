//! Adapter-only checkpoints: the adapters and the task head of a model, with a reference to its
//! base model.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::Value;

use super::adapters_library::{AdapterChoice, load_adapter, save_adapter};
use super::config_json::{config_with_heads, head_from_json};
use super::folder_with_base::ModelFolder;
use super::head_source::{HeadSource, with_saved_head};
use super::index::{BaseModel, INDEX, Index, relative_path};
use super::json::{read_json, write_json};
use super::loaded::{HeadChoice, LoadBase, LoadedModel};
use super::model_files::model_fingerprints;
use super::model_folder::base_folder;
use super::names::parameter_name;
use super::peft_library::{load_peft, save_peft};
use super::weights::{WeightFiles, write_safetensors};
use crate::params::named_parameters;
use crate::peft::AdapterLibrary;
use crate::{HeadSpec, LoadError, Model, SaveError};

/// Weight file of the task head.
const HEAD: &str = "head.safetensors";
/// Folder with a subfolder for each adapter of the `adapters` library.
const ADAPTERS: &str = "adapters";
/// Folder with a subfolder for each adapter of the `peft` library.
const PEFT: &str = "peft";
/// Earlier name of the folder [`PEFT`], from when LoRA was the only kind.
const EARLIER_PEFT: &str = "lora";

/// Loads an adapter-only checkpoint and, with `load_base`, its base model.
pub(super) fn load(
    folder: &ModelFolder,
    index: &Index,
    head: &HeadChoice,
    load_base: LoadBase,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    base_folder(folder)?;
    let folder = &folder.path;
    check_base(index, folder)?;
    let path = folder.join("config.json");
    let saved = match head {
        HeadChoice::Saved
        | HeadChoice::SavedIfRead
        | HeadChoice::ByName { .. }
        | HeadChoice::AsIs { .. } => head_from_json(&read_json(&path)?, &|_| None)
            .map_err(|source| LoadError::Config { path: path.clone(), source })?,
        HeadChoice::Without | HeadChoice::New { .. } => None,
    };
    let base_head = match (&saved, head) {
        (Some(saved), HeadChoice::Saved | HeadChoice::SavedIfRead) => {
            HeadChoice::New { spec: saved.clone(), seed: 0 }
        }
        (Some(_), HeadChoice::ByName { spec, seed }) => {
            HeadChoice::New { spec: spec.clone(), seed: *seed }
        }
        (Some(_), HeadChoice::AsIs { spec }) => HeadChoice::New { spec: spec.clone(), seed: 0 },
        (None, HeadChoice::Saved | HeadChoice::SavedIfRead) => HeadChoice::Without,
        (_, other) => other.clone(),
    };
    let mut loaded = load_base(&index.base(), &base_head, device)?;
    check_names(index, &loaded.model, folder)?;
    loaded.scoring = None;
    if saved.is_some() {
        let source = HeadSource::new(head, saved.as_ref(), &path)?;
        let mut files = WeightFiles::open_first(folder, &[HEAD])?;
        let (config, spec) = (loaded.model.encoder.config().clone(), loaded.head.clone());
        let tensor = |path: &str| Some(parameter_name(&config, spec.as_ref(), path));
        loaded.report.fresh.clear();
        loaded = with_saved_head(loaded, source, &mut files, &tensor)?;
        loaded.scoring = index.scoring.clone().filter(|_| head.is_saved());
    }
    for name in &index.adapters {
        let choice = AdapterChoice { name: Some(name.clone()), leave_out: Vec::new() };
        load_adapter(&folder.join(ADAPTERS).join(name), &mut loaded.model, &choice)?;
    }
    let is_earlier = !folder.join(PEFT).exists() && folder.join(EARLIER_PEFT).exists();
    let in_peft = folder.join(if is_earlier { EARLIER_PEFT } else { PEFT });
    for name in &index.peft {
        let added = load_peft(&in_peft.join(name), &mut loaded.model, name)?;
        let of_encoder = added.replaced.into_iter().filter(|path| path.starts_with("encoder."));
        loaded.report.replaced.extend(of_encoder);
    }
    let names: Vec<&str> = index.adapters.iter().map(String::as_str).collect();
    let active = loaded.model.encoder.set_active_adapters(&names);
    active.map_err(|source| LoadError::Adapter { path: folder.join(INDEX), source })?;
    Ok(loaded)
}

/// Fails if the files of the base model are not those that the adapters of the folder were trained on.
fn check_base(index: &Index, folder: &Path) -> Result<(), LoadError> {
    if index.base_files.is_empty() {
        return Ok(());
    }
    let found = model_fingerprints(&index.base())?;
    let other = index.base_files.iter().find(|(file, known)| found.get(*file) != Some(known));
    let Some((file, _)) = other else { return Ok(()) };
    let (base, name) = (index.base_folder.clone(), index.base_name.clone());
    Err(LoadError::OtherBase { path: folder.join(INDEX), base, name, file: file.clone() })
}

/// Fails if a base model has all adapters of the folder: they were trained on another model. A
/// checkpoint whose base has adapters holds these and one more at least.
fn check_names(index: &Index, base: &Model, folder: &Path) -> Result<(), LoadError> {
    let of_adapters = index.adapters.iter().map(|name| (AdapterLibrary::Adapters, name));
    let mut names = of_adapters.chain(index.peft.iter().map(|name| (AdapterLibrary::Peft, name)));
    let last = names.clone().next_back();
    let is_in_base = |(library, name): (_, &String)| base.encoder.adapter(library, name).is_ok();
    match last {
        Some((_, name)) if names.all(is_in_base) => Err(LoadError::AdapterInBase {
            path: folder.join(INDEX),
            base: index.base_folder.clone(),
            name: name.clone(),
        }),
        _ => Ok(()),
    }
}

/// Saves an adapter-only checkpoint: the active adapters, all adapters of the `peft` library and
/// the task head of a model, with a reference to its base model. It is less than a hundredth of the
/// model's size; [`load`](crate::load) reads the folder like any other.
///
/// Each adapter has a folder `adapters/<name>` of the `adapters` library or a folder `peft/<name>`
/// of `peft`; the head is `head.safetensors`, with its tensor names in Hugging Face files.
/// `scoring` are the scoring settings of the head, see [`save_scored`](crate::save_scored).
///
/// # Errors
/// If a file cannot be written; the message names it.
pub fn save_adapter_only(
    folder: &Path,
    model: &Model,
    head: Option<&HeadSpec>,
    config_json: &Value,
    base: &BaseModel,
    scoring: Option<&Value>,
) -> Result<(), SaveError> {
    let encoder = &model.encoder;
    let json = config_with_heads(encoder.config(), head, None, config_json);
    write_json(&folder.join("config.json"), &json)?;
    let base_name = Some(base.name.as_str());
    let adapters = encoder.active_adapters().to_vec();
    let in_peft = encoder.adapters(AdapterLibrary::Peft);
    let peft: Vec<String> = in_peft.map(|(name, _)| name.to_owned()).collect();
    let make = |folder: PathBuf| match std::fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(SaveError::Io { path: folder, source }),
    };
    for name in &adapters {
        let folder = make(folder.join(ADAPTERS).join(name))?;
        save_adapter(&folder, model, name, config_json, base_name)?;
    }
    for name in &peft {
        save_peft(&make(folder.join(PEFT).join(name))?, model, name, None, base_name)?;
    }
    if head.is_some() {
        let mut params = named_parameters(model);
        params.retain(|param| param.path.starts_with("head."));
        for param in &mut params {
            param.path = model.parameter_name(head, &param.path);
        }
        write_safetensors(&folder.join(HEAD), params)?;
    }
    let ModelFolder { path, base: below } = &base.folder;
    let relative = |path: &PathBuf| relative_path(folder, path).unwrap_or_else(|| path.clone());
    let absolute = |path: &PathBuf| path.is_absolute().then(|| path.clone());
    let index = Index {
        base_name: base.name.clone(),
        base_folder: relative(path),
        base_folder_absolute: absolute(path),
        base_of_base: below.as_ref().map(relative),
        base_of_base_absolute: below.as_ref().and_then(absolute),
        base_files: base.files.clone(),
        adapters,
        peft,
        scoring: scoring.cloned(),
    };
    let json = serde_json::to_value(index).expect("paths and names are printable");
    write_json(&folder.join(INDEX), &json)
}
