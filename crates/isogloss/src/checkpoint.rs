//! The state that training goes on from: weights, moments, and where in the run it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss_methods::{AdamW, AdamWConfig};
use isogloss_model::{
    HeadChoice, HeadSpec, LoadError, LoadedModel, Model, WeightFiles, load, load_projections,
    named_parameters, save, save_projections, write_safetensors,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::error::io;
use crate::run_folder::{RunFolder, remove_folder, replace_folder, write_atomically};

/// The folder of what is trained beside the model, inside a checkpoint.
const PROJECTIONS: &str = "projections";

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

/// Writes a checkpoint, then removes the ones before it.
pub(crate) fn write(
    run: &RunFolder,
    progress: &Progress,
    model: &Model,
    head: &HeadSpec,
    config_json: &Value,
    optimizer: &AdamW,
) -> Result<(), Error> {
    let folder = run.checkpoints().join(format!("step-{:08}", progress.step));
    replace_folder(&folder, |folder| {
        save(folder, model, Some(head), config_json)?;
        save_projections(&folder.join(PROJECTIONS), model)?;
        let (moments, optimizer_steps) = optimizer.state();
        let moments_folder = folder.join("optimizer");
        fs::create_dir_all(&moments_folder).map_err(io(&moments_folder))?;
        write_safetensors(&moments_folder.join("model.safetensors"), moments)?;
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

/// Reads a checkpoint of a run that trains this head.
pub(crate) fn read(
    folder: &Path,
    head: &HeadSpec,
    config: AdamWConfig,
    device: &Device,
) -> Result<(LoadedModel, AdamW, Progress), Error> {
    let path = folder.join("state.json");
    let bytes = fs::read(&path).map_err(io(&path))?;
    let damaged = |path, problem| Error::Damaged { path, problem };
    let state: State =
        serde_json::from_slice(&bytes).map_err(|error| damaged(path.clone(), error.to_string()))?;
    let mut loaded = load(folder, &HeadChoice::Saved, device)?;
    loaded.model.projections = load_projections(&folder.join(PROJECTIONS), device)?;
    if loaded.head.as_ref() != Some(head) {
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
    Ok((loaded, optimizer, state.progress))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use isogloss_methods::Gradients;
    use isogloss_model::{NamedParam, RandomParams, presets};
    use serde_json::json;

    use super::*;

    #[test]
    fn projections_and_their_moments_survive() {
        let device = Device::flex().autodiff();
        let head = HeadSpec::tokens(vec!["no".into(), "yes".into()]);
        let config = presets::tiny(20);
        let model = Model::init(&config, Some(&head), &mut RandomParams::new(1), &device);
        let model = model.with_projections(&[vec![32, 32, 8], vec![32, 32]], 2, &device);
        let loss = model.projections[0].forward(Tensor::ones([1, 32], &device)).sum();
        let gradients = Gradients::of(&loss, &model);
        let mut optimizer = AdamW::new(AdamWConfig::default());
        let (model, _) = optimizer.step(model, gradients, 1e-2);
        let config_json = json!({
            "model_type": "bert", "vocab_size": 20, "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64,
            "type_vocab_size": 2,
        });

        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::new(folder.path());
        write(&run, &Progress::default(), &model, &head, &config_json, &optimizer).unwrap();
        let (_, checkpoint) = run.newest_checkpoint().unwrap().unwrap();
        let (loaded, restored, _) =
            read(&checkpoint, &head, AdamWConfig::default(), &device).unwrap();

        let values = |params: Vec<NamedParam>| -> BTreeMap<String, Vec<f32>> {
            let value = |p: NamedParam| (p.path.clone(), p.data().try_into_vec().unwrap());
            params.into_iter().map(value).collect()
        };
        assert_eq!(values(named_parameters(&loaded.model)), values(named_parameters(&model)));
        let ((found, found_steps), (expected, steps)) = (restored.state(), optimizer.state());
        assert_eq!(values(found), values(expected));
        assert_eq!(found_steps, steps);
        let moved: Vec<_> = steps.keys().map(String::as_str).collect();
        assert_eq!(moved, [0, 1].map(|layer| format!("projections.0.layers.{layer}.weight")));
    }
}
