//! `adapters` library folders: loading and saving of `adapter_config.json` and adapter weights.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::json::{read_json, write_json};
use super::names::encoder_tensor;
use super::weights::{WeightFiles, write_safetensors};
use crate::config::family_from_json;
use crate::family::FamilySpec;
use crate::params::named_parameters;
use crate::peft::{AdapterConfig, AdapterLibrary, BottleneckConfig, earlier_tensor_names};
use crate::{
    ConfigError, EncoderConfig, Init, LoadError, LoadFault, Model, ParamSource, SaveError,
};

/// Configuration file of the adapter.
const CONFIG: &str = "adapter_config.json";

/// Names of the weight file in the library.
const WEIGHTS: [&str; 3] = ["adapter.safetensors", "pytorch_adapter.bin", "model.safetensors"];

/// Options of [`load_adapter`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterChoice {
    /// Name of the adapter in the model; `None` for the saved name.
    pub name: Option<String>,
    /// Layers to leave out, in addition to those of the configuration.
    pub leave_out: Vec<usize>,
}

/// Result of [`load_adapter`]: an adapter that was added to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedAdapter {
    /// Name in the model.
    pub name: String,
    /// Adapter configuration.
    pub config: BottleneckConfig,
}

/// Loads a bottleneck adapter from a folder of the `adapters` library (`adapter_config.json` and
/// weights) into `model`, replacing one of the same name. It is not active yet.
///
/// Also reads the tensor names and fields of adapter-transformers 1 and 2. Only bottleneck adapters
/// without gates, hypercomplex layers or their own normalizations are supported.
///
/// # Errors
/// If a file is missing or corrupt, the adapter is of another kind, or it was made for another
/// model; the error names every tensor that is missing, unexpected or of the wrong shape. The model
/// is then unchanged.
pub fn load_adapter(
    folder: &Path,
    model: &mut Model,
    choice: &AdapterChoice,
) -> Result<LoadedAdapter, LoadError> {
    let path = folder.join(CONFIG);
    let json = read_json(&path)?;
    if json.get("peft_type").is_some() {
        return Err(LoadError::PeftFolder { path });
    }
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    let misfit = |source| LoadError::Adapter { path: path.clone(), source };
    let config = AdapterConfig::read_adapters(&json).map_err(refuse)?;
    let mut config = config.leaving_out(&choice.leave_out);
    check_base(&json, model.encoder.config()).map_err(refuse)?;
    let stored = json.get("name").and_then(Value::as_str);
    let stored = stored.ok_or_else(|| refuse(ConfigError::missing("name")))?;
    let name = choice.name.clone().unwrap_or_else(|| stored.to_owned());

    let files = WeightFiles::open_first(folder, &WEIGHTS)?;
    // The first versions of the library wrote an invertible adapter into the configuration of every
    // task adapter, but no tensors for it.
    let is_task = json.get("type").and_then(Value::as_str) == Some("text_task");
    if is_task && !files.names().any(|tensor| tensor.contains("invertible")) {
        config.inv_adapter_reduction_factor = None;
    }

    let family = model.encoder.config().family.spec();
    let mut source = AdapterParams { family, files, taken: BTreeSet::new(), faults: Vec::new() };
    let any = AdapterConfig::from(config.clone());
    let parts = model.encoder.adapter_parts(stored, &any, &mut source).map_err(misfit)?;
    source.finish(&choice.leave_out)?;
    model.encoder.check_adapter(&name, &any).map_err(misfit)?;
    model.encoder.attach_adapter(&name, any, parts);
    Ok(LoadedAdapter { name, config })
}

/// Checks that an adapter or its head was made for a model of the same family and hidden size.
pub(super) fn check_base(json: &Value, encoder: &EncoderConfig) -> Result<(), ConfigError> {
    if json.get("model_type").is_some() && family_from_json(json)? != encoder.family {
        let expected = encoder.family.spec().model_type_names();
        return Err(ConfigError::value("model_type", expected, &json["model_type"]));
    }
    match json.get("hidden_size").and_then(Value::as_u64) {
        Some(found) if found != encoder.hidden_size as u64 => {
            let width = encoder.hidden_size;
            let problem = format!("made for {found}, the model has {width}");
            Err(ConfigError::mismatch("hidden_size", problem))
        }
        _ => Ok(()),
    }
}

/// Parameter source that reads an adapter's weight file and collects all errors.
struct AdapterParams {
    family: &'static FamilySpec,
    files: WeightFiles,
    taken: BTreeSet<String>,
    faults: Vec<LoadFault>,
}

impl AdapterParams {
    /// Finds the tensor name of a parameter: with or without the model's prefix, of the current or
    /// earlier versions of the library.
    fn find(&self, path: &str) -> String {
        let key = encoder_tensor(self.family, path);
        let prefixed = |key: &str| format!("{}{key}", self.family.prefix);
        let earlier = earlier_tensor_names(&key);
        let mut names = [&key].into_iter().chain(&earlier).flat_map(|k| [prefixed(k), k.clone()]);
        names.find(|name| self.files.contains(name)).unwrap_or_else(|| prefixed(&key))
    }

    /// Returns an error if a tensor is missing, does not fit, or is unexpected; tensors of left-out
    /// layers are ignored.
    fn finish(mut self, left_out: &[usize]) -> Result<(), LoadError> {
        for tensor in self.files.names() {
            let is_left_out = layer_in(tensor).is_some_and(|layer| left_out.contains(&layer));
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

/// Layer index in a tensor name, the number after `layer.`.
fn layer_in(tensor: &str) -> Option<usize> {
    let (_, rest) = tensor.split_once("layer.")?;
    rest.split('.').next()?.parse().ok()
}

impl ParamSource for AdapterParams {
    fn take(&mut self, path: &str, shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        let name = self.find(path);
        // A tensor of the wrong shape is not reported as unexpected too.
        self.taken.insert(name.clone());
        self.files.read(&name, shape).map_err(|fault| self.faults.push(fault)).ok()
    }
}

/// Saves an adapter in the folder format of the `adapters` library: writes `adapter_config.json`
/// and `adapter.safetensors`, which the library reads by
/// `load_adapter(folder, use_safetensors=True)`.
///
/// `config_json` is the `config.json` of the model, `base` the name of the pretrained model.
///
/// # Errors
/// If the model has no such adapter or a file cannot be written; the message names it.
pub fn save_adapter(
    folder: &Path,
    model: &Model,
    name: &str,
    config_json: &Value,
    base: Option<&str>,
) -> Result<(), SaveError> {
    let path = folder.join(CONFIG);
    let config = model.encoder.adapter(AdapterLibrary::Adapters, name);
    let config = config.map_err(|source| SaveError::Adapter { path: path.clone(), source })?;
    let encoder = model.encoder.config();
    let family = encoder.family.spec();
    let class_stem = family.class_stem(config_json.get("model_type").and_then(Value::as_str));
    write_json(
        &path,
        &json!({
            "config": config.folder_fields(encoder),
            "hidden_size": encoder.hidden_size,
            "model_class": format!("{class_stem}AdapterModel"),
            "model_name": base,
            "model_type": config_json.get("model_type"),
            "name": name,
            "version": "adapters.1.3.0",
        }),
    )?;
    let mut params = named_parameters(model);
    params.retain(|param| config.owns(name, &param.path));
    for param in &mut params {
        let path = param.path.trim_start_matches("encoder.");
        param.path = format!("{}{}", family.prefix, encoder_tensor(family, path));
    }
    write_safetensors(&folder.join("adapter.safetensors"), params)
}
