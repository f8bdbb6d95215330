//! From a folder of the `adapters` library to an adapter in a model.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::hf::load::read_json;
use crate::peft::bottleneck::folder::read_adapter_config;
use crate::{
    AdapterConfig, EncoderConfig, Family, Init, LoadError, LoadFault, Model, ParamSource,
    WeightFiles,
};

/// What the library calls an adapter's weights.
const WEIGHTS: [&str; 3] = ["adapter.safetensors", "pytorch_adapter.bin", "model.safetensors"];

/// How an adapter is taken from its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterChoice {
    /// What to call it; the name that it was saved with if there is none.
    pub name: Option<String>,
    /// Layers that do not get theirs, beyond those that it was made without.
    pub leave_out: Vec<usize>,
}

/// An adapter that is now part of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedAdapter {
    /// What it is called in the model.
    pub name: String,
    /// What it is made of.
    pub config: AdapterConfig,
}

/// Reads `adapter_config.json` and the weights beside it, as the `adapters` library writes them, and
/// puts the adapter into `model`, in place of one of the same name. It is not active yet.
///
/// Also reads the names of tensors and fields of adapter-transformers 1 and 2. Only bottleneck
/// adapters are read, without gates, hypercomplex layers or normalizations of their own.
///
/// # Errors
/// If a file is missing or damaged, the adapter is of another kind, or it was made for another model;
/// every tensor that is missing, left over or of another shape is named. The model is then as it was.
pub fn load_adapter(
    folder: &Path,
    model: &mut Model,
    choice: &AdapterChoice,
) -> Result<LoadedAdapter, LoadError> {
    let path = folder.join("adapter_config.json");
    let json = read_json(&path)?;
    let refuse = |problem: String| LoadError::Config { path: path.clone(), problem };
    let mut config = read_adapter_config(&json).map_err(refuse)?.leaving_out(&choice.leave_out);
    check_base(&json, model.encoder.config()).map_err(refuse)?;
    let stored = json.get("name").and_then(Value::as_str);
    let stored = stored.ok_or_else(|| refuse("no field \"name\"".into()))?;
    let name = choice.name.clone().unwrap_or_else(|| stored.to_owned());

    let files = WeightFiles::open_one_of(folder, &WEIGHTS)?;
    // The first versions wrote the invertible adapter into the configuration of every task adapter,
    // and no tensors of it.
    let is_task = json.get("type").and_then(Value::as_str) == Some("text_task");
    if is_task && !files.names().any(|tensor| tensor.contains("invertible")) {
        config.inv_adapter_reduction_factor = None;
    }

    let family = model.encoder.config().family;
    let mut source = AdapterParams { family, files, taken: BTreeSet::new(), faults: Vec::new() };
    let parts = model.encoder.adapter_parts(stored, &config, &mut source);
    let parts = parts.map_err(|error| refuse(error.to_string()))?;
    source.finish(&choice.leave_out)?;
    let fits = model.encoder.check_adapter_place(&name, &config);
    fits.map_err(|error| refuse(error.to_string()))?;
    model.encoder.attach_adapter(&name, &config, parts);
    Ok(LoadedAdapter { name, config })
}

/// Fails if the configuration says that the adapter was made for a model of another kind.
fn check_base(json: &Value, encoder: &EncoderConfig) -> Result<(), String> {
    if json.get("model_type").is_some() && Family::of(json)? != encoder.family {
        let (found, expected) = (&json["model_type"], encoder.family.model_types());
        return Err(format!("field \"model_type\": expected {expected}, found {found}"));
    }
    match json.get("hidden_size").and_then(Value::as_u64) {
        Some(found) if found != encoder.hidden_size as u64 => Err(format!(
            "field \"hidden_size\": the adapter was made for {found}, the model has {}",
            encoder.hidden_size
        )),
        _ => Ok(()),
    }
}

/// Takes an adapter's parameters from its file and gathers what does not fit.
struct AdapterParams {
    family: Family,
    files: WeightFiles,
    taken: BTreeSet<String>,
    faults: Vec<LoadFault>,
}

impl AdapterParams {
    /// The name of a parameter in this file: with or without the model's prefix, of today or of
    /// earlier versions.
    fn find(&self, path: &str) -> String {
        let key = self.family.encoder_key(path);
        let prefixed = |key: &str| format!("{}{key}", self.family.prefix());
        let earlier = self.family.earlier_adapter_keys(&key);
        let mut names = [&key].into_iter().chain(&earlier).flat_map(|k| [prefixed(k), k.clone()]);
        names.find(|name| self.files.contains(name)).unwrap_or_else(|| prefixed(&key))
    }

    /// Fails if a tensor is missing, does not fit, or is left over in a layer that was not left out.
    fn finish(mut self, left_out: &[usize]) -> Result<(), LoadError> {
        for tensor in self.files.names() {
            let is_left_out = layer_of(tensor).is_some_and(|layer| left_out.contains(&layer));
            if !is_left_out && !self.taken.contains(tensor) {
                let (path, tensor) = (self.files.path().to_owned(), tensor.to_owned());
                self.faults.push(LoadFault::Unexpected { path, tensor });
            }
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(LoadError::Tensors { faults: self.faults })
        }
    }
}

/// The number after `layer.` in a tensor's name.
fn layer_of(tensor: &str) -> Option<usize> {
    let (_, rest) = tensor.split_once("layer.")?;
    rest.split('.').next()?.parse().ok()
}

impl ParamSource for AdapterParams {
    fn take(&mut self, path: &str, shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        let name = self.find(path);
        // A tensor of another shape is no left-over one.
        self.taken.insert(name.clone());
        self.files.read(&name, shape).map_err(|fault| self.faults.push(fault)).ok()
    }
}
