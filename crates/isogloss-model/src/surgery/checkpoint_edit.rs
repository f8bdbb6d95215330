//! Checkpoint editing: vocabulary trimming, structured pruning and quantization of a model folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::prune::prune_heads;
use super::quantize::{Storage, quantize};
use super::tensor::StoredTensor;
use super::trim::{remap_token_ids, select_rows, vocabulary_tensor_names};
use crate::config::{ATTENTION_OUTPUT_WEIGHT, HEAD_PARAMS};
use crate::hf::{write_json, write_tensors};
use crate::{
    EncoderConfig, LoadError, LoadFault, Pruning, SaveError, WeightFiles, base_folder, read_config,
};

/// Checkpoint in memory: all tensors of a model folder, including those that are not parameters of
/// a model of this crate.
#[derive(Debug)]
pub struct StoredModel {
    /// The weight file, or the index of the shards.
    path: PathBuf,
    config: EncoderConfig,
    config_json: Value,
    tensors: Vec<StoredTensor>,
    n_parameters_read: usize,
}

impl StoredModel {
    /// Reads the folder of a full model.
    ///
    /// With `rows`, trims the vocabulary: the token embedding matrix and all other tensors with one
    /// row or element per token keep these rows only, in this order, and `config.json` is updated.
    ///
    /// # Errors
    /// If a file is missing or corrupt, a tensor is not a float, a row is outside the vocabulary,
    /// or the ID of the padding token changes, from which some families count positions.
    pub fn read(folder: &Path, rows: Option<&[u32]>) -> Result<Self, LoadError> {
        let (config, mut config_json) = read_config(folder)?;
        let mut files = WeightFiles::open(&base_folder(folder)?)?;
        if let Some(rows) = rows {
            check_rows(rows, &config, folder)?;
        }
        let names: Vec<String> = files.names().map(str::to_owned).collect();
        let by_token = vocabulary_tensor_names(&config);
        let (mut tensors, mut faults) = (Vec::new(), Vec::new());
        let mut n_parameters_read = 0;
        // Position IDs, which older files have, are integers.
        for name in names.into_iter().filter(|name| !name.ends_with("position_ids")) {
            let shape = files.shape(&name).unwrap_or_default();
            let values = match files.read(&name, &shape) {
                Ok(values) => values,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            n_parameters_read += values.len();
            let mut tensor = StoredTensor { name, shape, values };
            if let Some(rows) = rows.filter(|_| by_token.contains(&tensor.name))
                && !select_rows(&mut tensor, rows, config.vocab_size)
            {
                let (path, found) = (files.path().to_owned(), tensor.shape);
                let mut expected = found.clone();
                expected.first_mut().into_iter().for_each(|n_rows| *n_rows = config.vocab_size);
                faults.push(LoadFault::Shape { path, tensor: tensor.name, expected, found });
                continue;
            }
            tensors.push(tensor);
        }
        if !faults.is_empty() {
            return Err(LoadError::Tensors { faults });
        }
        if let Some(rows) = rows {
            remap_token_ids(&mut config_json, rows);
        }
        let path = files.path().to_owned();
        Ok(Self { path, config, config_json, tensors, n_parameters_read })
    }

    /// Structured pruning: removes the heads and feed-forward blocks of `pruning`, and updates
    /// `config.json`.
    ///
    /// Tensors keep their names; empty tensors are removed. `transformers` 4 (4.57.3) loads the
    /// result and gives the same logits if all feed-forward blocks and at least one head of each
    /// layer are left; it initializes missing feed-forward blocks randomly, with a warning. Version
    /// 5 does not support pruned models.
    ///
    /// # Errors
    /// If the model is already pruned, or the shape of a tensor does not match the configuration.
    pub fn without(mut self, pruning: &Pruning) -> Result<Self, LoadError> {
        if !self.config.pruned.is_empty() {
            return Err(LoadError::AlreadyPruned { path: self.path.with_file_name("config.json") });
        }
        self.config.pruned = pruning.clone();
        if let Some(fields) = self.config_json.as_object_mut() {
            pruning.write(fields);
        }
        let family = self.config.family.spec();
        let names = |path: &str| {
            let key = family.encoder_key(path);
            [format!("{}{key}", family.prefix), key]
        };
        let pruned_paths = self.config.pruned_paths();
        let absent: BTreeSet<String> = pruned_paths.iter().flat_map(|path| names(path)).collect();
        let mut by_head = BTreeMap::new();
        for layer in 0..self.config.num_hidden_layers {
            for path in HEAD_PARAMS.iter().chain([&ATTENTION_OUTPUT_WEIGHT]) {
                let dim = usize::from(*path == ATTENTION_OUTPUT_WEIGHT);
                let names = names(&format!("layers.{layer}.{path}"));
                by_head.extend(names.map(|name| (name, (layer, dim))));
            }
        }
        let mut faults = Vec::new();
        self.tensors.retain(|tensor| !absent.contains(&tensor.name));
        for tensor in &mut self.tensors {
            if let Some((layer, dim)) = by_head.get(&tensor.name) {
                faults.extend(prune_heads(tensor, &self.config, *layer, *dim, &self.path).err());
            }
        }
        if faults.is_empty() { Ok(self) } else { Err(LoadError::Tensors { faults }) }
    }

    /// Number of parameters of the original folder, with all rows.
    pub fn n_parameters_read(&self) -> usize {
        self.n_parameters_read
    }

    /// Number of parameters.
    pub fn n_parameters(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.values.len()).sum()
    }

    /// Writes `config.json` and `model.safetensors` into `folder`, quantized to `storage`.
    ///
    /// # Errors
    /// If a file cannot be written, or a value overflows the storage type.
    pub fn write(mut self, folder: &Path, storage: Storage) -> Result<(), SaveError> {
        let dtype = storage.dtype();
        if let Some(fields) = self.config_json.as_object_mut() {
            fields.shift_remove("torch_dtype");
            fields.insert("dtype".into(), dtype.into());
        }
        write_json(&folder.join("config.json"), &self.config_json)?;
        let path = folder.join("model.safetensors");
        let mut stored = BTreeMap::new();
        for tensor in self.tensors {
            if !tensor.values.iter().all(|x| storage.can_hold(*x)) {
                return Err(SaveError::Overflow { path, tensor: tensor.name, dtype });
            }
            stored.extend(quantize(tensor, storage));
        }
        write_tensors(&path, stored.into_iter())
    }
}

/// Checks that all rows are in the vocabulary and the padding token keeps its ID.
fn check_rows(rows: &[u32], config: &EncoderConfig, folder: &Path) -> Result<(), LoadError> {
    let path = folder.join("config.json");
    let (pad_token_id, vocab_size) = (config.pad_token_id, config.vocab_size);
    if rows.get(pad_token_id as usize) != Some(&pad_token_id) {
        return Err(LoadError::PaddingToken { path, pad_token_id });
    }
    match rows.iter().find(|row| **row as usize >= vocab_size) {
        Some(token) => Err(LoadError::TokenId { path, token: *token, vocab_size }),
        None => Ok(()),
    }
}
