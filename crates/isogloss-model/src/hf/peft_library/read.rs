//! From a LoRA folder of the `peft` library to low-rank changes in a model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};

use crate::hf::load::read_json;
use crate::peft::lora::folder::read_lora_config;
use crate::{
    Family, Init, LoadError, LoadFault, LoraConfig, Model, ParamMapper, ParamSource, WeightFiles,
    map_parameters, named_parameters,
};

/// What the library calls the weights.
const WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];
/// What stands before the name of a tensor in the model.
pub(crate) const PREFIX: &str = "base_model.model.";

/// Low-rank changes that are now part of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedLora {
    /// What they are.
    pub config: LoraConfig,
    /// Parameters of the head that the folder had too, by path; they took the place of the model's.
    pub head: Vec<String>,
    /// Tensors that were not taken: of a head that the model does not have.
    pub unused: Vec<String>,
}

/// Reads `adapter_config.json` and the weights beside it, as the `peft` library writes them, and puts
/// the changes into `model` under `name`, in place of those of the same name.
///
/// A head that was saved with them is taken if it has the shapes of the model's.
///
/// # Errors
/// If a file is missing or damaged, the adapter is not LoRA or uses one of its variants, or it was
/// made for another model; every tensor that is missing, left over or of another shape is named. The
/// model is then as it was.
pub fn load_lora(folder: &Path, model: &mut Model, name: &str) -> Result<LoadedLora, LoadError> {
    let path = folder.join("adapter_config.json");
    let json = read_json(&path)?;
    let refuse = |problem: String| LoadError::Config { path: path.clone(), problem };
    if json.get("peft_type").is_none() {
        return Err(refuse("no field \"peft_type\": not a folder of the peft library".into()));
    }
    let files = WeightFiles::open_one_of(folder, &WEIGHTS)?;
    let encoder = model.encoder.config().clone();
    let config = read_lora_config(&json, &encoder, &files).map_err(refuse)?;
    let mut source =
        LoraParams { family: encoder.family, files, taken: BTreeSet::new(), faults: Vec::new() };
    let parts = model.encoder.lora_parts(name, &config, &mut source);
    let parts = parts.map_err(|error| refuse(error.to_string()))?;
    let mut head = source.head(model);
    let unused = source.finish()?;
    model.encoder.attach_lora(name, &config, parts);
    let taken = head.keys().cloned().collect();
    if !head.is_empty() {
        *model = map_parameters(model.clone(), &mut Replace(&mut head));
    }
    Ok(LoadedLora { config, head: taken, unused })
}

/// Takes the parameters of the changes from their file and gathers what does not fit.
struct LoraParams {
    family: Family,
    files: WeightFiles,
    taken: BTreeSet<String>,
    faults: Vec<LoadFault>,
}

impl LoraParams {
    fn read(&mut self, name: String, shape: &[usize]) -> Option<Vec<f32>> {
        let values = self.files.read(&name, shape);
        // A tensor of another shape is no left-over one.
        self.taken.insert(name);
        values.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// The parameters of the model's head that the file has, by path.
    fn head(&mut self, model: &Model) -> BTreeMap<String, Vec<f32>> {
        let params = named_parameters(model);
        let has_dense = params.iter().any(|param| param.path.starts_with("head.dense."));
        let mut head = BTreeMap::new();
        for param in params.iter().filter(|param| param.path.starts_with("head.")) {
            let key = format!("{PREFIX}{}", self.family.head_key(&param.path, has_dense));
            if self.files.shape(&key).as_ref() == Some(&param.shape)
                && let Some(values) = self.read(key, &param.shape)
            {
                head.insert(param.path.clone(), values);
            }
        }
        head
    }

    /// Fails if a tensor does not fit or is left over; those of a head that was not taken are
    /// returned.
    fn finish(mut self) -> Result<Vec<String>, LoadError> {
        let rest = self.files.names().filter(|tensor| !self.taken.contains(*tensor));
        let (left_over, unused): (Vec<_>, Vec<_>) =
            rest.map(str::to_owned).partition(|tensor| tensor.contains(".lora_"));
        let path = self.files.path().to_owned();
        let unexpected = |tensor| LoadFault::Unexpected { path: path.clone(), tensor };
        self.faults.extend(left_over.into_iter().map(unexpected));
        if self.faults.is_empty() {
            Ok(unused)
        } else {
            Err(LoadError::Tensors { faults: self.faults })
        }
    }
}

impl ParamSource for LoraParams {
    fn take(&mut self, path: &str, shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        let key = self.family.encoder_key(path);
        let of_task_model = format!("{PREFIX}{}{key}", self.family.prefix());
        let of_encoder = format!("{PREFIX}{key}");
        let has_bare = self.files.contains(&of_encoder) && !self.files.contains(&of_task_model);
        self.read(if has_bare { of_encoder } else { of_task_model }, shape)
    }
}

/// Puts values in the place of the parameters at their paths.
pub(crate) struct Replace<'a>(pub(crate) &'a mut BTreeMap<String, Vec<f32>>);

impl ParamMapper for Replace<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.0.remove(path) else {
            return param;
        };
        param.map(|old| {
            let new = TensorData::new(values, old.dims());
            let requires_grad = old.is_require_grad();
            Tensor::from_data(new, &old.device()).set_require_grad(requires_grad)
        })
    }
}
