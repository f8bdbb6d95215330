//! Folders that hold what was added to a model, and say where that model is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::hf::adapters_library::read::{AdapterChoice, load_adapter};
use crate::hf::load::{HeadChoice, LoadedModel, read_json, saved_head};
use crate::hf::peft_library::read::{Replace, load_lora};
use crate::{
    LoadError, LoadFault, Model, WeightFiles, map_parameters, named_parameters, parameter_name,
};

/// The file that such a folder is known by.
pub(crate) const FILE: &str = "isogloss.json";
/// The parameters of the head.
pub(crate) const HEAD: &str = "head.safetensors";
/// One folder for each adapter.
pub(crate) const ADAPTERS: &str = "adapters";
/// One folder for each set of low-rank changes.
pub(crate) const LORAS: &str = "lora";

/// Adapters that stand on adapters that stand on a model, at most.
const MAX_DEPTH: usize = 8;

/// What [`FILE`] says.
#[derive(Serialize, Deserialize)]
pub(crate) struct OnBase {
    /// What the base model is called.
    pub(crate) base_name: String,
    /// Where it is.
    pub(crate) base_folder: PathBuf,
    /// The active adapters, the lowest first.
    pub(crate) adapters: Vec<String>,
    /// The low-rank changes.
    pub(crate) loras: Vec<String>,
}

impl OnBase {
    /// None for a folder that holds a whole model.
    fn read(folder: &Path) -> Result<Option<Self>, LoadError> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let refuse = |problem: String| LoadError::Config { path: path.clone(), problem };
        let mut this: Self =
            serde_json::from_value(read_json(&path)?).map_err(|error| refuse(error.to_string()))?;
        this.base_folder = folder.join(this.base_folder);
        if !this.base_folder.join("config.json").exists() {
            let (name, folder) = (&this.base_name, this.base_folder.display());
            let problem = format!(
                "the base model {name} is not in {folder} any more: put it there, or set \
                 \"base_folder\" to where it is"
            );
            return Err(refuse(problem));
        }
        Ok(Some(this))
    }
}

/// Where the whole model is that a folder of adapters stands on; the folder itself if it holds a
/// whole model.
///
/// # Errors
/// If the folder says where, and it is not there.
pub fn base_folder(folder: &Path) -> Result<PathBuf, LoadError> {
    let mut folder = folder.to_owned();
    for _ in 0..MAX_DEPTH {
        match OnBase::read(&folder)? {
            Some(on_base) => folder = on_base.base_folder,
            None => return Ok(folder),
        }
    }
    let problem = "a base stands on another, and so on, without an end".into();
    Err(LoadError::Config { path: folder.join(FILE), problem })
}

/// As `load`, for a folder that [`save_on_base`](crate::save_on_base) wrote; none for others.
pub(crate) fn load_on_base(
    folder: &Path,
    head: &HeadChoice,
    load: fn(&Path, &HeadChoice, &Device) -> Result<LoadedModel, LoadError>,
    device: &Device,
) -> Result<Option<LoadedModel>, LoadError> {
    let Some(on_base) = OnBase::read(folder)? else { return Ok(None) };
    base_folder(folder)?;
    let config_path = folder.join("config.json");
    let problem = |problem| LoadError::Config { path: config_path.clone(), problem };
    let saved = match head {
        HeadChoice::Saved => saved_head(&read_json(&config_path)?).map_err(problem)?,
        HeadChoice::Without | HeadChoice::New { .. } => None,
    };
    let of_base = match (&saved, head) {
        (Some(spec), _) => HeadChoice::New { spec: spec.clone(), seed: 0 },
        (None, HeadChoice::Saved) => HeadChoice::Without,
        (None, other) => other.clone(),
    };
    let mut loaded = load(&on_base.base_folder, &of_base, device)?;
    if saved.is_some() {
        loaded.model = with_head(folder, loaded.model, &loaded.head)?;
        loaded.report.fresh.clear();
    }
    for name in &on_base.adapters {
        let choice = AdapterChoice { name: Some(name.clone()), leave_out: Vec::new() };
        load_adapter(&folder.join(ADAPTERS).join(name), &mut loaded.model, &choice)?;
    }
    for name in &on_base.loras {
        load_lora(&folder.join(LORAS).join(name), &mut loaded.model, name)?;
    }
    let names: Vec<&str> = on_base.adapters.iter().map(String::as_str).collect();
    let active = loaded.model.encoder.set_active_adapters(&names);
    active.map_err(|error| LoadError::Config {
        path: folder.join(FILE),
        problem: error.to_string(),
    })?;
    Ok(Some(loaded))
}

/// The model with the head of a file in place of its own.
fn with_head(
    folder: &Path,
    model: Model,
    spec: &Option<crate::HeadSpec>,
) -> Result<Model, LoadError> {
    let mut files = WeightFiles::open_one_of(folder, &[HEAD])?;
    let (mut values, mut faults) = (BTreeMap::new(), Vec::<LoadFault>::new());
    for param in named_parameters(&model) {
        if param.path.starts_with("head.") {
            let name = parameter_name(model.encoder.config(), spec.as_ref(), &param.path);
            match files.read(&name, &param.shape) {
                Ok(read) => _ = values.insert(param.path, read),
                Err(fault) => faults.push(fault),
            }
        }
    }
    if faults.is_empty() {
        Ok(map_parameters(model, &mut Replace(&mut values)))
    } else {
        Err(LoadError::Tensors { faults })
    }
}
