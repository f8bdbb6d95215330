//! Checkpoints: the state of a training run on disk, from which it is resumed.
//!
//! ```text
//! config.json, model.safetensors, …   the model, a Hugging Face folder
//! projections/                        projection heads
//! optimizer/                          optimizer state: the moments of AdamW
//! methods/<name>/                     tensors of a method's state, such as XLCo's negative queue
//! state.json                          format version, training progress, and all other values
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss_methods::{AdamW, AdamWConfig, SavedState, StateError, StateReader};
use isogloss_model::{
    BaseModel, HeadChoice, HeadSpec, LoadError, LoadFault, LoadedModel, Model, WeightFiles, load,
    load_masked_lm, load_projections, named_parameters, save_adapter_only, save_projections,
    save_scored, write_safetensors,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::folder::RunFolder;
use super::progress::Progress;
use crate::Error;
use crate::error::{RunError, io, json};
use crate::ground::files::{remove_folder, replace_folder, write_atomically};
use crate::recipe::LanguageAdapterRecipe;
use crate::task::SavedScoring;

/// Checkpoint format version that this program writes and reads. Format 1 had no version number.
const FORMAT: u64 = 3;

/// The folder of projection heads, inside a checkpoint.
const PROJECTIONS: &str = "projections";
/// The folder of the optimizer state: AdamW's moments.
const OPTIMIZER: &str = "optimizer";
/// The folder of the states of methods.
const METHODS: &str = "methods";
/// The JSON file of everything that is not a tensor.
const STATE: &str = "state.json";

#[derive(Serialize, Deserialize)]
struct State {
    format: u64,
    #[serde(flatten)]
    progress: Progress,
    /// Values of the states of methods that are not tensors, by method and name.
    methods: BTreeMap<String, BTreeMap<String, Value>>,
    /// Optimizer steps taken, by parameter.
    optimizer_steps: BTreeMap<String, u64>,
}

/// Checkpoint format version: the part of [`State`] that every version can read.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default = "first_format")]
    format: u64,
}

fn first_format() -> u64 {
    1
}

/// Checkpoint: the state of a training run, from which it is resumed.
pub(super) struct Checkpoint {
    pub(super) loaded: LoadedModel,
    pub(super) optimizer: AdamW,
    pub(super) progress: Progress,
    /// The states of methods; `None` before the first step.
    pub(super) methods: Option<SavedMethods>,
}

impl Checkpoint {
    /// The initial state of a run, before the first step.
    pub(super) fn first(loaded: LoadedModel, config: AdamWConfig) -> Self {
        let (optimizer, progress) = (AdamW::new(config), Progress::default());
        Self { loaded, optimizer, progress, methods: None }
    }
}

/// Model saving: what a saved model folder holds besides the parameters.
pub(super) struct Saver<'a> {
    pub(super) head: Option<&'a HeadSpec>,
    pub(super) config_json: &'a Value,
    /// The base model of the adapters; `None` if the whole model is trained.
    pub(super) base: Option<&'a BaseModel>,
    /// The language adapters of the sources by source, of which the first alone is saved; none for a
    /// single source.
    pub(super) language_adapters: &'a [String],
    /// The saved task and evaluation options (`isogloss.scoring`), if the model has a head.
    pub(super) scoring: Option<SavedScoring>,
}

impl Saver<'_> {
    pub(super) fn save(&self, folder: &Path, model: &Model) -> Result<(), Error> {
        let scoring = self.scoring.as_ref().map(|scoring| scoring.to_json(folder));
        let (head, json, scoring) = (self.head, self.config_json, scoring.as_ref());
        let model = &LanguageAdapterRecipe::without_sources(model.clone(), self.language_adapters)?;
        let saved = match self.base {
            Some(base) => save_adapter_only(folder, model, head, json, base, scoring),
            None => save_scored(folder, model, head, json, scoring),
        };
        Ok(saved?)
    }
}

/// Saves a checkpoint, then removes the earlier ones. `methods` are the states of methods by unique
/// name.
pub(super) fn write<'a>(
    run: &RunFolder,
    progress: &Progress,
    model: &Model,
    saver: &Saver<'_>,
    optimizer: &AdamW,
    methods: impl Iterator<Item = (&'a str, SavedState)>,
) -> Result<(), Error> {
    let folder = run.checkpoints().join(format!("step-{:08}", progress.step));
    replace_folder(&folder, |folder| {
        saver.save(folder, model)?;
        save_projections(&folder.join(PROJECTIONS), model)?;
        let (moments, optimizer_steps) = optimizer.state();
        let moments_folder = folder.join(OPTIMIZER);
        fs::create_dir_all(&moments_folder).map_err(io(&moments_folder))?;
        write_safetensors(&moments_folder.join("model.safetensors"), moments)?;
        let mut values = BTreeMap::new();
        for (name, state) in methods {
            if !state.tensors.is_empty() {
                let folder = folder.join(METHODS).join(name);
                fs::create_dir_all(&folder).map_err(io(&folder))?;
                write_safetensors(&folder.join("model.safetensors"), state.tensors)?;
            }
            if !state.values.is_empty() {
                values.insert(name.to_owned(), state.values);
            }
        }
        let progress = progress.clone();
        let state = State { format: FORMAT, progress, methods: values, optimizer_steps };
        let bytes = serde_json::to_vec_pretty(&state).expect("numbers and names are printable");
        write_atomically(&folder.join(STATE), &bytes)
    })?;
    remove_all_but(run, &folder)
}

fn remove_all_but(run: &RunFolder, keep: &Path) -> Result<(), Error> {
    let folder = run.checkpoints();
    for entry in fs::read_dir(&folder).map_err(io(&folder))? {
        let path = entry.map_err(io(&folder))?.path();
        if path != keep {
            remove_folder(&path)?;
        }
    }
    Ok(())
}

/// Loads a checkpoint; fails if its head is not `head`.
pub(super) fn read(
    folder: &Path,
    head: Option<&HeadSpec>,
    config: AdamWConfig,
    with_lm_head: bool,
    device: &Device,
) -> Result<Checkpoint, Error> {
    let path = folder.join(STATE);
    let state = read_state(&path)?;
    let load = if with_lm_head { load_masked_lm } else { load };
    let mut loaded = load(folder, &HeadChoice::Saved, device)?;
    loaded.model.projections = load_projections(&folder.join(PROJECTIONS), device)?;
    if loaded.head.as_ref() != head {
        return Err(RunError::OtherLabels { path: folder.join("config.json") }.into());
    }
    let parameters = named_parameters(&loaded.model).into_iter();
    let sizes: BTreeMap<String, usize> =
        parameters.map(|param| (param.path, param.shape.iter().product())).collect();
    if let Some(name) = state.optimizer_steps.keys().find(|name| !sizes.contains_key(*name)) {
        return Err(RunError::NoSuchParameter { path, parameter: name.clone() }.into());
    }
    let mut files = WeightFiles::open(&folder.join(OPTIMIZER))?;
    let read = |name: &str| {
        let parameter = name.split_once('.').and_then(|(_, parameter)| sizes.get(parameter));
        let shape = [parameter.copied().unwrap_or_default()];
        files.read(name, &shape).map_err(|fault| LoadError::Tensors { faults: vec![fault] })
    };
    let device = device.clone().without_autodiff();
    let optimizer = AdamW::restore(config, &state.optimizer_steps, &device, read)?;
    let methods = SavedMethods { checkpoint: folder.to_owned(), values: state.methods };
    Ok(Checkpoint { loaded, optimizer, progress: state.progress, methods: Some(methods) })
}

/// Checkpoint format check: fails unless the format version is [`FORMAT`].
pub(super) fn check_format(checkpoint: &Path) -> Result<(), Error> {
    state_bytes(&checkpoint.join(STATE)).map(drop)
}

/// Reads the `state.json` of a checkpoint whose format version is [`FORMAT`].
fn read_state(path: &Path) -> Result<State, Error> {
    serde_json::from_slice(&state_bytes(path)?).map_err(json(path))
}

fn state_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(path).map_err(io(path))?;
    let Versioned { format: found } = serde_json::from_slice(&bytes).map_err(json(path))?;
    if found != FORMAT {
        let path = path.to_owned();
        return Err(RunError::CheckpointFormat { path, found, expected: FORMAT }.into());
    }
    Ok(bytes)
}

/// The states of methods in a checkpoint.
pub(super) struct SavedMethods {
    checkpoint: PathBuf,
    values: BTreeMap<String, BTreeMap<String, Value>>,
}

impl SavedMethods {
    /// Reads the state of a method, by its unique name.
    pub(super) fn state(&self, name: &str) -> Result<SavedMethod, Error> {
        let folder = self.checkpoint.join(METHODS).join(name);
        let files = folder.exists().then(|| WeightFiles::open(&folder)).transpose()?;
        Ok(SavedMethod {
            folder,
            files,
            values: self.values.get(name).cloned().unwrap_or_default(),
        })
    }

    /// The path of the JSON file of everything that is not a tensor.
    pub(super) fn state_path(&self) -> PathBuf {
        self.checkpoint.join(STATE)
    }
}

/// The state of a method in a checkpoint.
pub(super) struct SavedMethod {
    folder: PathBuf,
    files: Option<WeightFiles>,
    values: BTreeMap<String, Value>,
}

impl SavedMethod {
    /// Converts an error about this state; adds the folder that it concerns.
    pub(super) fn error(&self, error: StateError) -> Error {
        match error {
            StateError::Tensors { faults } => LoadError::Tensors { faults }.into(),
            source => RunError::MethodState { path: self.folder.clone(), source }.into(),
        }
    }
}

impl StateReader for SavedMethod {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.files.as_ref()?.shape(name)
    }

    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault> {
        match &mut self.files {
            Some(files) => files.read(name, shape),
            None => {
                let (path, tensor) = (self.folder.clone(), name.to_owned());
                Err(LoadFault::Missing { path, tensor, nearest: None })
            }
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.values.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_another_format_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(STATE);
        for (state, found) in [(r#"{"step": 5}"#, 1), (r#"{"format": 4, "step": 5}"#, 4)] {
            fs::write(&path, state).unwrap();
            let error = read_state(&path).err().unwrap().to_string();
            let expected =
                format!("state.json: a checkpoint of format {found}; this version reads format 3");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
