//! The state that training goes on from: weights, moments, and where in the run it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_methods::{AdamW, AdamWConfig, Importance, NegativeQueue};
use isogloss_model::{
    BaseModel, HeadChoice, HeadSpec, LoadError, LoadFault, LoadedModel, Model, NamedParam,
    ParamMapper, WeightFiles, load, load_masked_lm, load_projections, map_parameters,
    named_parameters, save, save_adapter_only, save_projections, write_safetensors,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::error::io;
use crate::ground::files::{remove_folder, replace_folder, write_atomically};
use crate::run_folder::RunFolder;
use crate::train::language_epochs::LanguageEpochsProgress;

/// The folder of what is trained beside the model, inside a checkpoint.
const PROJECTIONS: &str = "projections";
/// The folder of the slow model and its keys.
const MEMORY: &str = "memory";
/// The tensor of the keys, and that of the place of the next one.
const KEYS: &str = "queue.keys";
const NEXT: &str = "queue.next";

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Optimizer steps done.
    pub(crate) step: u64,
    /// The best evaluation so far.
    pub(crate) best: Option<Best>,
    /// Length of the log, in bytes.
    pub(crate) log_len: u64,
    /// Sums of the objectives' values since the last line of the log.
    pub(crate) loss_sums: Vec<f64>,
    /// Steps of those sums.
    pub(crate) loss_n: u64,
    /// Which pairs and which blocks of text come next.
    #[serde(default)]
    pub(crate) rounds: [Option<LanguageEpochsProgress>; 2],
    /// Time that the steps took.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// By schedule about layers, and by layer: the step at which it opened.
    #[serde(default)]
    pub(crate) opens_at: Vec<Vec<Option<u64>>>,
    /// The scores of each source's units, where subnetworks are dynamic.
    #[serde(default)]
    pub(crate) subnetwork_scores: Vec<Importance>,
}

impl Progress {
    /// Adds the objectives' values of a step.
    pub(crate) fn add_losses(&mut self, losses: &[f64]) {
        self.loss_sums.resize(losses.len(), 0.0);
        self.loss_sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
        self.loss_n += 1;
    }

    /// The means since the last call.
    pub(crate) fn take_mean_losses(&mut self) -> Vec<f64> {
        let n = std::mem::take(&mut self.loss_n) as f64;
        std::mem::take(&mut self.loss_sums).into_iter().map(|sum| sum / n).collect()
    }

    /// Fails if this is no state of a run of so many steps: the data has changed since.
    pub(crate) fn check(&self, folder: &Path, total_steps: u64) -> Result<(), Error> {
        let is_scored = self.best.is_some();
        if self.step < total_steps || (self.step == total_steps && is_scored) {
            return Ok(());
        }
        let step = self.step;
        let problem = format!(
            "step {step} of a run that has {total_steps} steps now: the data has changed since; use \
             another --out, or --fresh to begin again"
        );
        Err(Error::Damaged { path: folder.join("state.json"), problem })
    }
}

/// The best evaluation of a run so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) step: u64,
    pub(crate) score: f64,
}

#[derive(Serialize, Deserialize)]
struct State {
    #[serde(flatten)]
    progress: Progress,
    /// Steps that the optimizer has taken, by parameter.
    optimizer_steps: BTreeMap<String, u64>,
}

/// Everything that training goes on from.
pub(crate) struct Checkpoint {
    pub(crate) loaded: LoadedModel,
    pub(crate) optimizer: AdamW,
    pub(crate) progress: Progress,
}

/// How a run's model is written.
pub(crate) struct Saver<'a> {
    pub(crate) head: Option<&'a HeadSpec>,
    pub(crate) config_json: &'a Value,
    /// What adapters stand on; none if the whole model is trained.
    pub(crate) base: Option<&'a BaseModel>,
}

impl Saver<'_> {
    pub(crate) fn save(&self, folder: &Path, model: &Model) -> Result<(), Error> {
        let saved = match self.base {
            Some(base) => save_adapter_only(folder, model, self.head, self.config_json, base),
            None => save(folder, model, self.head, self.config_json),
        };
        Ok(saved?)
    }
}

/// A slow copy of the model, and the keys that it made.
pub(crate) struct Memory<'a> {
    pub(crate) model: &'a Model,
    pub(crate) queue: &'a NegativeQueue,
}

/// Writes a checkpoint, then removes the ones before it.
pub(crate) fn write(
    run: &RunFolder,
    progress: &Progress,
    model: &Model,
    saver: &Saver<'_>,
    optimizer: &AdamW,
    memory: Option<Memory<'_>>,
) -> Result<(), Error> {
    let folder = run.checkpoints().join(format!("step-{:08}", progress.step));
    replace_folder(&folder, |folder| {
        saver.save(folder, model)?;
        save_projections(&folder.join(PROJECTIONS), model)?;
        let (moments, optimizer_steps) = optimizer.state();
        let moments_folder = folder.join("optimizer");
        fs::create_dir_all(&moments_folder).map_err(io(&moments_folder))?;
        write_safetensors(&moments_folder.join("model.safetensors"), moments)?;
        if let Some(memory) = memory {
            write_memory(&folder.join(MEMORY), memory)?;
        }
        let state = State { progress: progress.clone(), optimizer_steps };
        let bytes = serde_json::to_vec_pretty(&state).expect("numbers and names are printable");
        write_atomically(&folder.join("state.json"), &bytes)
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

fn write_memory(folder: &Path, memory: Memory<'_>) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(io(folder))?;
    let mut tensors = named_parameters(memory.model);
    let (keys, next) = memory.queue.state();
    let next = Tensor::<1>::from_floats([next as f32], &keys.device());
    tensors.push(NamedParam::new(KEYS.to_owned(), keys));
    tensors.push(NamedParam::new(NEXT.to_owned(), next));
    Ok(write_safetensors(&folder.join("model.safetensors"), tensors)?)
}

/// Reads what [`Memory`] was; the slow model has the parameters of `model`.
pub(crate) fn read_memory(
    folder: &Path,
    model: &Model,
    queue_size: usize,
    device: &Device,
) -> Result<(Model, NegativeQueue), Error> {
    let folder = folder.join(MEMORY);
    let mut files = WeightFiles::open(&folder)?;
    let damaged = |problem: String| Error::Damaged { path: folder.clone(), problem };
    let shape = files.shape(KEYS).filter(|shape| shape.len() == 2);
    let shape = shape.ok_or_else(|| damaged(format!("no matrix {KEYS:?}")))?;
    let fault = |fault| LoadError::Tensors { faults: vec![fault] };
    let keys = files.read(KEYS, &shape).map_err(fault)?;
    let next = files.read(NEXT, &[1]).map_err(fault)?[0] as usize;
    let mut reader = Reader { files, faults: Vec::new() };
    let slow = map_parameters(model.valid(), &mut reader);
    if !reader.faults.is_empty() {
        return Err(LoadError::Tensors { faults: reader.faults }.into());
    }
    let keys = Tensor::from_data(TensorData::new(keys, [shape[0], shape[1]]), device);
    let queue = NegativeQueue::restore(queue_size, keys, next);
    Ok((slow, queue.map_err(|error| damaged(error.to_string()))?))
}

/// Gives parameters the values of a file.
struct Reader {
    files: WeightFiles,
    faults: Vec<LoadFault>,
}

impl ParamMapper for Reader {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.val().dims();
        match self.files.read(path, &shape) {
            Ok(values) => {
                param.map(|old| Tensor::from_data(TensorData::new(values, shape), &old.device()))
            }
            Err(fault) => {
                self.faults.push(fault);
                param
            }
        }
    }
}

/// Reads a checkpoint of a run that trains this head.
pub(crate) fn read(
    folder: &Path,
    head: Option<&HeadSpec>,
    config: AdamWConfig,
    with_lm_head: bool,
    device: &Device,
) -> Result<Checkpoint, Error> {
    let path = folder.join("state.json");
    let bytes = fs::read(&path).map_err(io(&path))?;
    let damaged = |path, problem| Error::Damaged { path, problem };
    let state: State =
        serde_json::from_slice(&bytes).map_err(|error| damaged(path.clone(), error.to_string()))?;
    let load = if with_lm_head { load_masked_lm } else { load };
    let mut loaded = load(folder, &HeadChoice::Saved, device)?;
    loaded.model.projections = load_projections(&folder.join(PROJECTIONS), device)?;
    if loaded.head.as_ref() != head {
        let problem = "its labels are not those of the training data, which has changed since; use \
                       another --out, or --fresh to begin again";
        return Err(damaged(folder.join("config.json"), problem.into()));
    }
    let parameters = named_parameters(&loaded.model).into_iter();
    let sizes: BTreeMap<String, usize> =
        parameters.map(|param| (param.path, param.shape.iter().product())).collect();
    if let Some(name) = state.optimizer_steps.keys().find(|name| !sizes.contains_key(*name)) {
        return Err(damaged(path, format!("optimizer_steps: the model has no {name:?}")));
    }
    let mut files = WeightFiles::open(&folder.join("optimizer"))?;
    let read = |name: &str| {
        let parameter = name.split_once('.').and_then(|(_, parameter)| sizes.get(parameter));
        let shape = [parameter.copied().unwrap_or_default()];
        files.read(name, &shape).map_err(|fault| LoadError::Tensors { faults: vec![fault] })
    };
    let device = device.clone().without_autodiff();
    let optimizer = AdamW::restore(config, &state.optimizer_steps, &device, read)?;
    Ok(Checkpoint { loaded, optimizer, progress: state.progress })
}
