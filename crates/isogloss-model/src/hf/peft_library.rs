//! `peft` library folders: loading and saving of `adapter_config.json`, adapter weights and a task
//! head.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::json::{read_json, write_json};
use super::names::{encoder_tensor, head_tensor, parameter_name};
use super::weights::{WeightFiles, write_safetensors};
use crate::family::FamilySpec;
use crate::params::{named_parameters, replace_parameters};
use crate::peft::{AdapterConfig, AdapterLibrary, StoredShapes};
use crate::{
    EncoderConfig, HeadSpec, Init, LoadError, LoadFault, Model, ParamLocation, ParamPart,
    ParamSource, SaveError,
};

/// Configuration file of the adapter.
const CONFIG: &str = "adapter_config.json";

/// Names of the weight file in the library.
pub(super) const WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// Prefix of tensor names in the weight file.
pub(super) const PREFIX: &str = "base_model.model.";

/// Result of [`load_peft`]: an adapter of the `peft` library that was added to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedPeft {
    /// Adapter configuration.
    pub config: AdapterConfig,
    /// Paths of the model's own parameters that were replaced by those of the folder
    /// (`modules_to_save`).
    pub replaced: Vec<String>,
    /// Ignored tensors, of a task head that the model does not have.
    pub unused: Vec<String>,
}

/// Loads an adapter from a folder of the `peft` library (`adapter_config.json` and weights) into
/// `model` under `name`, replacing one of the same name.
///
/// Full modules that were saved with it (`modules_to_save`) replace those of the model: embeddings,
/// layer normalizations and other encoder modules, and a task head if it has the same shapes.
///
/// # Errors
/// If a file is missing or corrupt, the kind or variant of the adapter is not supported, or it was
/// made for another model; the error names every tensor that is missing, unexpected or of the wrong
/// shape. The model is then unchanged.
pub fn load_peft(folder: &Path, model: &mut Model, name: &str) -> Result<LoadedPeft, LoadError> {
    load_parts(folder, model, name, true)
}

/// [`load_peft`], with or without the task head of the folder.
pub(super) fn load_parts(
    folder: &Path,
    model: &mut Model,
    name: &str,
    takes_head: bool,
) -> Result<LoadedPeft, LoadError> {
    let path = folder.join(CONFIG);
    let json = read_json(&path)?;
    if json.get("peft_type").is_none() {
        return Err(LoadError::NotPeftFolder { path });
    }
    let files = WeightFiles::open_first(folder, &WEIGHTS)?;
    let encoder = model.encoder.config();
    let shape = |name| (name, files.shape(name).unwrap_or_default());
    let tensors: StoredShapes<'_> = files.names().map(shape).collect();
    let config = AdapterConfig::read_peft(&json, encoder, &tensors)
        .map_err(|source| LoadError::Config { path: path.clone(), source })?;
    let checked = model.encoder.check_adapter(name, &config);
    checked.map_err(|source| LoadError::Adapter { path: path.clone(), source })?;
    let family = encoder.family.spec();
    let mut source = PeftParams { family, files, taken: BTreeSet::new(), faults: Vec::new() };
    let parts = model.encoder.adapter_parts(name, &config, &mut source);
    let parts = parts.map_err(|source| LoadError::Adapter { path, source })?;
    let mut modules = source.modules(model, takes_head);
    let has_head = named_parameters(model).iter().any(|param| param.path.starts_with("head."));
    let unused = source.finish(has_head)?;
    let replaced = modules.keys().cloned().collect();
    if !modules.is_empty() {
        *model = replace_parameters(model.clone(), &mut modules);
    }
    model.encoder.attach_adapter(name, config.clone(), parts);
    Ok(LoadedPeft { config, replaced, unused })
}

/// Parameter source that reads an adapter's weight file and collects all errors.
struct PeftParams {
    family: &'static FamilySpec,
    files: WeightFiles,
    taken: BTreeSet<String>,
    faults: Vec<LoadFault>,
}

impl PeftParams {
    fn read(&mut self, name: String, shape: &[usize]) -> Option<Vec<f32>> {
        let values = self.files.read(&name, shape);
        // A tensor of the wrong shape is not reported as unexpected too.
        self.taken.insert(name);
        values.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// Reads the model's own parameters that the file has (`modules_to_save`), by path.
    fn modules(&mut self, model: &Model, takes_head: bool) -> BTreeMap<String, Vec<f32>> {
        let params = named_parameters(model);
        let has_dense = params.iter().any(|param| param.path.starts_with("head.dense."));
        let mut modules = BTreeMap::new();
        for param in params {
            let (keys, is_head) = match param.path.strip_prefix("encoder.") {
                Some(path) => (self.encoder_keys(path), false),
                None if takes_head && param.path.starts_with("head.") => {
                    let key = head_tensor(self.family, &param.path, has_dense);
                    (vec![format!("{PREFIX}{key}")], true)
                }
                None => continue,
            };
            let found = keys.into_iter().find(|key| self.files.contains(key));
            let Some(key) = found.filter(|key| !self.taken.contains(key)) else { continue };
            // A head for other labels is not an error: the model keeps its own.
            if is_head && self.files.shape(&key).as_ref() != Some(&param.shape) {
                continue;
            }
            if let Some(values) = self.read(key, &param.shape) {
                modules.insert(param.path, values);
            }
        }
        modules
    }

    /// Possible tensor names of an encoder parameter in the file.
    fn encoder_keys(&self, path: &str) -> Vec<String> {
        let key = encoder_tensor(self.family, path);
        vec![format!("{PREFIX}{}{key}", self.family.prefix), format!("{PREFIX}{key}")]
    }

    /// Whether a tensor belongs to a task head or a masked-language-model head, which the model
    /// need not have.
    fn is_head(&self, tensor: &str) -> bool {
        let Some(name) = tensor.strip_prefix(PREFIX) else { return false };
        let bare = name.strip_prefix(self.family.prefix).unwrap_or(name);
        let modules = [true, false].into_iter().flat_map(|dense| self.family.head_modules(dense));
        let mut starts = modules.map(|module| format!("{module}."));
        starts.any(|start| bare.starts_with(&start)) || name.starts_with(self.family.lm_head.root)
    }

    /// Returns the ignored tensors of a head, or an error if a tensor does not fit or is
    /// unexpected. Adapters of a head are ignored only without a head.
    fn finish(mut self, has_head: bool) -> Result<Vec<String>, LoadError> {
        let adapts = |tensor: &str| {
            tensor.split('.').any(|part| part.starts_with("lora_") || part.starts_with("ia3_"))
        };
        let rest = self.files.names().filter(|tensor| !self.taken.contains(*tensor));
        let (of_head, left_over): (Vec<_>, Vec<_>) =
            rest.map(str::to_owned).partition(|tensor| self.is_head(tensor));
        let (adapters, unused): (Vec<_>, Vec<_>) =
            of_head.into_iter().partition(|tensor| has_head && adapts(tensor));
        let path = self.files.path().to_owned();
        let unexpected = |tensor| LoadFault::Unexpected { path: path.clone(), tensor };
        self.faults.extend(left_over.into_iter().map(unexpected));
        let adapted = |tensor| LoadFault::AdaptedHead { path: path.clone(), tensor };
        self.faults.extend(adapters.into_iter().map(adapted));
        if self.faults.is_empty() {
            Ok(unused)
        } else {
            Err(LoadError::Tensors { faults: self.faults })
        }
    }
}

impl ParamSource for PeftParams {
    fn take(&mut self, path: &str, shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        let key = encoder_tensor(self.family, path);
        let in_task_model = format!("{PREFIX}{}{key}", self.family.prefix);
        let in_encoder = format!("{PREFIX}{key}");
        let has_bare = self.files.contains(&in_encoder) && !self.files.contains(&in_task_model);
        self.read(if has_bare { in_encoder } else { in_task_model }, shape)
    }
}

/// Saves an adapter in the folder format of the `peft` library: writes `adapter_config.json` and
/// `adapter_model.safetensors` for a task model with the encoder of `model`.
///
/// With `head`, the model's task head, its parameters are written too. `base` is the name or folder
/// of the pretrained model.
///
/// # Errors
/// If the model has no such adapter or a file cannot be written; the message names it.
pub fn save_peft(
    folder: &Path,
    model: &Model,
    name: &str,
    head: Option<&HeadSpec>,
    base: Option<&str>,
) -> Result<(), SaveError> {
    let path = folder.join(CONFIG);
    let config = model.encoder.adapter(AdapterLibrary::Peft, name);
    let config = config.map_err(|source| SaveError::Adapter { path: path.clone(), source })?;
    let encoder = model.encoder.config();
    write_json(&path, &config_json(config, encoder, head, base))?;
    let is_head = |path: &str| {
        ParamLocation::from_path(path).is_some_and(|location| location.part == ParamPart::Head)
    };
    let mut params = named_parameters(model);
    params.retain(|param| config.owns(name, &param.path) || head.is_some() && is_head(&param.path));
    let family = encoder.family.spec();
    for param in &mut params {
        let key = match param.path.strip_prefix("encoder.") {
            Some(path) => format!("{}{}", family.prefix, encoder_tensor(family, path)),
            None => parameter_name(encoder, head, &param.path),
        };
        param.path = format!("{PREFIX}{key}");
    }
    write_safetensors(&folder.join("adapter_model.safetensors"), params)
}

/// Content of `adapter_config.json`: the adapter's fields and those that the library writes for all
/// kinds, sorted by name.
fn config_json(
    config: &AdapterConfig,
    encoder: &EncoderConfig,
    head: Option<&HeadSpec>,
    base: Option<&str>,
) -> Value {
    let modules = |head: &HeadSpec| encoder.family.spec().head_modules(head.has_dense());
    let task_type = match head {
        None => Value::Null,
        Some(HeadSpec::Sequence { .. }) => json!("SEQ_CLS"),
        Some(HeadSpec::Tokens { .. }) => json!("TOKEN_CLS"),
        Some(HeadSpec::Parser(_)) => json!("FEATURE_EXTRACTION"),
    };
    let mut fields: Map<String, Value> =
        config.folder_fields(encoder).as_object().cloned().unwrap_or_default();
    fields.insert("base_model_name_or_path".into(), json!(base));
    fields.insert("inference_mode".into(), json!(true));
    fields.insert("modules_to_save".into(), json!(head.map(modules)));
    fields.insert("task_type".into(), task_type);
    fields.sort_keys();
    Value::Object(fields)
}
