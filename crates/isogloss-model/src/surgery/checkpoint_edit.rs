//! Checkpoint editing: a model folder written again, with fewer rows of its vocabulary, without some
//! heads and feed-forward blocks, or quantized.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::prune::prune_heads;
use super::quantize::{Storage, quantize};
use super::tensor::StoredTensor;
use super::trim::{names_by_token, renumber, select_rows};
use crate::config::{HEAD_PARAMS, HEADS_TO_OUTPUT};
use crate::hf::{write_json, write_tensors};
use crate::{EncoderConfig, LoadError, LoadFault, Pruning, SaveError, WeightFiles, read_config};

/// All tensors of a model folder, those that no model of this crate takes included.
#[derive(Debug)]
pub struct StoredModel {
    /// The file, or index, that was read.
    path: PathBuf,
    config: EncoderConfig,
    config_json: Value,
    tensors: Vec<StoredTensor>,
    n_parameters_read: usize,
}

impl StoredModel {
    /// Reads a folder of a whole model.
    ///
    /// With `rows`, the embedding matrix of tokens and what else has one row or element for each token
    /// has these rows of it alone, in this order, and `config.json` says so.
    ///
    /// # Errors
    /// If a file is missing or damaged, a tensor is no float, a row is outside the vocabulary, or the
    /// padding token, from whose number some families count positions, gets another number.
    pub fn read(folder: &Path, rows: Option<&[u32]>) -> Result<Self, LoadError> {
        let (config, mut config_json) = read_config(folder)?;
        let mut files = WeightFiles::open(folder)?;
        if let Some(rows) = rows {
            check_rows(rows, &config, folder)?;
        }
        let names: Vec<String> = files.names().map(str::to_owned).collect();
        let by_token = names_by_token(&config);
        let (mut tensors, mut faults) = (Vec::new(), Vec::new());
        let mut n_parameters_read = 0;
        // Numbers of positions, which older files have, are no floats.
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
            renumber(&mut config_json, rows);
        }
        let path = files.path().to_owned();
        Ok(Self { path, config, config_json, tensors, n_parameters_read })
    }

    /// The same model without the heads and feed-forward blocks of `pruning`, and a `config.json` that
    /// says so.
    ///
    /// What is left of the tensors keeps its name. Tensors of which nothing is left are not there.
    /// `transformers` 4 (4.57.3) loads the result and gives the same logits if all feed-forward blocks and
    /// at least one head of each layer are left; it would make other feed-forward blocks anew, with a
    /// warning. Version 5 knows no pruned models.
    ///
    /// # Errors
    /// If the model has been pruned before, or a tensor does not have the shape that the configuration
    /// says.
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
            for path in HEAD_PARAMS.iter().chain([&HEADS_TO_OUTPUT]) {
                let dim = usize::from(*path == HEADS_TO_OUTPUT);
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

    /// The number of parameters in the folder that was read, all rows included.
    pub fn n_parameters_read(&self) -> usize {
        self.n_parameters_read
    }

    /// The number of parameters.
    pub fn n_parameters(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.values.len()).sum()
    }

    /// Writes `config.json` and `model.safetensors` into `folder`.
    ///
    /// # Errors
    /// If a file cannot be written, or a number does not fit into 16 or 8 bits.
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

/// Fails unless all rows are there and the padding token keeps its number.
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
