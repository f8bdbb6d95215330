//! From a Hugging Face folder to a model.

pub(crate) mod adapter;
mod adapter_config;
pub(crate) mod lora;
mod lora_config;

use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;

use crate::config::Fields;
use crate::{
    EncoderConfig, Family, HeadSpec, Init, LoadError, LoadFault, Model, ParamSource, Pooling,
    RandomParams, WeightFiles,
};

/// Which head the model gets.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadChoice {
    /// The one that the folder was saved with; none if it holds a bare encoder.
    Saved,
    /// None.
    Without,
    /// A new one; parameters that the folder has for it are taken, others drawn from the seed.
    New {
        /// The head.
        spec: HeadSpec,
        /// Draws the parameters that are not in the folder.
        seed: u64,
    },
}

/// A model, and what is known about it.
#[derive(Debug)]
pub struct LoadedModel {
    /// The model.
    pub model: Model,
    /// Its head, if it has one.
    pub head: Option<HeadSpec>,
    /// The folder's `config.json`, for [`save`](crate::save).
    pub config_json: Value,
    /// What was and was not found.
    pub report: LoadReport,
}

/// What a folder had beyond and below the model's needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of the head that were drawn anew.
    pub fresh: Vec<String>,
    /// Tensors that nothing asked for, such as a language-model head.
    pub unused: Vec<String>,
}

/// Reads a model folder onto a device.
///
/// # Errors
/// If a file is missing or damaged, the architecture is not supported, or any tensor of the encoder
/// is missing or does not fit; all such tensors are named.
pub fn load(folder: &Path, head: &HeadChoice, device: &Device) -> Result<LoadedModel, LoadError> {
    let config_path = folder.join("config.json");
    let config_json = read_json(&config_path)?;
    let config = EncoderConfig::from_json(&config_json)
        .map_err(|problem| LoadError::Config { path: config_path.clone(), problem })?;
    let head_spec = match head {
        HeadChoice::Without => None,
        HeadChoice::New { spec, .. } => Some(spec.clone()),
        HeadChoice::Saved => saved_head(&config_json)
            .map_err(|problem| LoadError::Config { path: config_path, problem })?,
    };
    let mut source = FileParams {
        family: config.family,
        files: WeightFiles::open(folder)?,
        has_dense: head_spec.as_ref().is_some_and(HeadSpec::has_dense),
        fresh_head: match head {
            HeadChoice::New { seed, .. } => Some(RandomParams::new(*seed)),
            HeadChoice::Saved | HeadChoice::Without => None,
        },
        taken: Vec::new(),
        fresh: Vec::new(),
        faults: Vec::new(),
    };
    let model = Model::init(&config, head_spec.as_ref(), &mut source, device);
    let report = source.finish()?;
    Ok(LoadedModel { model, head: head_spec, config_json, report })
}

pub(crate) fn read_json(path: &Path) -> Result<Value, LoadError> {
    let bytes =
        std::fs::read(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| LoadError::Config { path: path.to_owned(), problem: error.to_string() })
}

/// The head that `config.json` says the folder was saved with.
fn saved_head(json: &Value) -> Result<Option<HeadSpec>, String> {
    let class = json.pointer("/architectures/0").and_then(Value::as_str).unwrap_or_default();
    if class.ends_with("ForTokenClassification") {
        return Ok(Some(HeadSpec::tokens(labels(json)?)));
    }
    if !class.ends_with("ForSequenceClassification") {
        return Ok(None);
    }
    let pooling = match json.pointer("/isogloss/pooling").and_then(Value::as_str) {
        Some("mean") => Pooling::Mean,
        _ => Pooling::FirstToken,
    };
    Ok(Some(HeadSpec::sequence(labels(json)?, pooling)))
}

/// Above any real number of labels: a damaged number must not fill the memory with names.
const MAX_LABELS: usize = 1 << 20;

/// Label names in the order of their ids; two unnamed ones if there are none, as `transformers`.
fn labels(json: &Value) -> Result<Vec<String>, String> {
    let names = match json.get("id2label") {
        Some(Value::Object(names)) if !names.is_empty() => names,
        None | Some(Value::Null) => {
            let n_labels = Fields(json).size_or("num_labels", 2)?;
            if !(1..=MAX_LABELS).contains(&n_labels) {
                return Err(format!(
                    "field \"num_labels\": expected 1 to {MAX_LABELS}, found {n_labels}"
                ));
            }
            return Ok((0..n_labels).map(|id| format!("LABEL_{id}")).collect());
        }
        Some(_) => return Err("field \"id2label\": expected an object of label names".into()),
    };
    let mut labels = vec![String::new(); names.len()];
    for (id, name) in names {
        let slot = id.parse::<usize>().ok().and_then(|id| labels.get_mut(id));
        let slot = slot.ok_or_else(|| format!("field \"id2label\": unexpected id {id:?}"))?;
        let name = name.as_str();
        name.ok_or_else(|| format!("field \"id2label\": id {id} has no name"))?.clone_into(slot);
    }
    Ok(labels)
}

/// Takes parameters from files and gathers what does not fit.
struct FileParams {
    family: Family,
    files: WeightFiles,
    has_dense: bool,
    fresh_head: Option<RandomParams>,
    taken: Vec<String>,
    fresh: Vec<String>,
    faults: Vec<LoadFault>,
}

impl FileParams {
    /// The name of the parameter in these files: with or without the task model's prefix, with
    /// today's or TensorFlow's names of a normalization's parameters.
    fn find(&self, path: &str) -> String {
        if path.starts_with("head.") {
            let key = self.family.head_key(path, self.has_dense);
            let bare = key.strip_prefix(self.family.prefix()).unwrap_or(&key);
            return self.first_present([key.clone(), bare.to_owned()]);
        }
        let key = self.family.encoder_key(path);
        let legacy = key
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        let prefix = self.family.prefix();
        let candidates = [format!("{prefix}{key}"), key, format!("{prefix}{legacy}"), legacy];
        self.first_present(candidates)
    }

    fn first_present<const N: usize>(&self, candidates: [String; N]) -> String {
        let found = candidates.iter().position(|key| self.files.contains(key)).unwrap_or(0);
        candidates.into_iter().nth(found).unwrap_or_default()
    }

    fn finish(self) -> Result<LoadReport, LoadError> {
        if !self.faults.is_empty() {
            return Err(LoadError::Tensors { faults: self.faults });
        }
        // Older files store the position numbers beside the parameters.
        let is_parameter = |name: &&str| !name.ends_with("position_ids");
        let unused = self.files.names().filter(is_parameter);
        let unused = unused.filter(|name| !self.taken.iter().any(|taken| taken == name));
        Ok(LoadReport { fresh: self.fresh, unused: unused.map(str::to_owned).collect() })
    }
}

impl ParamSource for FileParams {
    fn take(&mut self, path: &str, shape: &[usize], init: Init) -> Option<Vec<f32>> {
        let name = self.find(path);
        if let (true, Some(random)) = (path.starts_with("head."), &mut self.fresh_head) {
            // A head for other labels may stand in the folder; only one that fits is taken.
            if self.files.shape(&name).as_deref() != Some(shape) {
                self.fresh.push(name);
                // The sizes of a configuration are trusted once the encoder's tensors have them.
                return if self.faults.is_empty() { random.take(path, shape, init) } else { None };
            }
        }
        match self.files.read(&name, shape) {
            Ok(values) => {
                self.taken.push(name);
                Some(values)
            }
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }
}
