//! A model folder written again: with fewer rows of its vocabulary, without some heads and feed-forward
//! blocks, or in smaller numbers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::pruning::{HEAD_PARAMS, HEADS_TO_OUTPUT};
use crate::family::TIED_LM_BIAS;
use crate::hf::save::{write_json, write_tensors};
use crate::hf::weights::{INT8, SCALE};
use crate::{EncoderConfig, LoadError, LoadFault, Pruning, SaveError, WeightFiles, read_config};

/// What numbers are stored as. All are `f32` again once they are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// 32 bits, nothing lost.
    #[default]
    F32,
    /// 16 bits: 11 significant ones.
    F16,
    /// Matrices in 8 bits, from -127 to 127 times a factor for each row; all else in 32.
    ///
    /// Only isogloss reads this: the numbers of the matrix `name` are `name.int8`, the factors
    /// `name.scale`.
    Int8,
}

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

#[derive(Debug)]
struct StoredTensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl StoredModel {
    /// Reads a folder of a whole model.
    ///
    /// With `rows`, the token table and what else has one row or element for each token has these
    /// rows of it alone, in this order, and `config.json` says so.
    ///
    /// # Errors
    /// If a file is missing or damaged, a tensor is no float, a row is outside the vocabulary, or the
    /// padding token, from whose number some families count positions, gets another number.
    pub fn read(folder: &Path, rows: Option<&[u32]>) -> Result<Self, LoadError> {
        let (config, mut config_json) = read_config(folder)?;
        let mut files = WeightFiles::open(folder)?;
        let names: Vec<String> = files.names().map(str::to_owned).collect();
        let by_token = by_token(&config);
        let problem = |problem| LoadError::Config { path: folder.join("config.json"), problem };
        let (pad, n_rows) = (config.pad_token_id, config.vocab_size);
        if rows.is_some_and(|rows| rows.get(pad as usize) != Some(&pad)) {
            return Err(problem(format!("the padding token is number {pad}, and must stay so")));
        }
        if let Some(row) = rows.and_then(|rows| rows.iter().find(|row| **row as usize >= n_rows)) {
            return Err(problem(format!("token {row} is outside the vocabulary of {n_rows}")));
        }
        let (mut tensors, mut faults) = (Vec::new(), Vec::new());
        let mut n_parameters_read = 0;
        for name in names {
            let mut shape = files.shape(&name).unwrap_or_default();
            // Numbers of positions, which older files have, are no floats.
            if name.ends_with("position_ids") {
                continue;
            }
            let mut values = match files.read(&name, &shape) {
                Ok(values) => values,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            n_parameters_read += values.len();
            if let (Some(rows), true) = (rows, by_token.contains(&name)) {
                match some_rows(&values, &shape, rows, &config) {
                    Some(kept) => values = kept,
                    None => {
                        let mut expected = shape.clone();
                        expected[0] = config.vocab_size;
                        let (path, found) = (files.path().to_owned(), shape);
                        faults.push(LoadFault::Shape { path, tensor: name, expected, found });
                        continue;
                    }
                }
                shape[0] = rows.len();
            }
            tensors.push(StoredTensor { name, shape, values });
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

    /// The same model without some heads and feed-forward blocks, and a `config.json` that says so.
    ///
    /// What is left of the tensors keeps its name. Tensors of which nothing is left are not there.
    /// `transformers` 4 (4.57.3) loads the result and gives the same logits if all feed-forward blocks and
    /// at least one head of each layer are left; it would make other feed-forward blocks anew, with a
    /// warning. Version 5 knows no pruned models.
    ///
    /// # Errors
    /// If some parts are gone already, or a tensor does not have the shape that the configuration says.
    pub fn without(mut self, gone: &Pruning) -> Result<Self, LoadError> {
        if !self.config.pruned.is_empty() {
            let (path, problem) =
                (self.path.with_file_name("config.json"), "pruned already".into());
            return Err(LoadError::Config { path, problem });
        }
        self.config.pruned = gone.clone();
        if let Some(fields) = self.config_json.as_object_mut() {
            gone.write(fields);
        }
        let names = |path: &String| {
            let key = self.config.family.encoder_key(path);
            [format!("{}{key}", self.config.family.prefix()), key]
        };
        let absent: BTreeSet<String> = self.config.pruned_paths().iter().flat_map(names).collect();
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
                faults.extend(tensor.prune(&self.config, *layer, *dim, &self.path).err());
            }
        }
        if faults.is_empty() { Ok(self) } else { Err(LoadError::Tensors { faults }) }
    }

    /// The number of numbers in the folder that was read, all rows included.
    pub fn n_parameters_read(&self) -> usize {
        self.n_parameters_read
    }

    /// The number of numbers.
    pub fn n_parameters(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.values.len()).sum()
    }

    /// Writes `config.json` and `model.safetensors` into `folder`.
    ///
    /// # Errors
    /// If a file cannot be written, or a number does not fit into 16 or 8 bits.
    pub fn write(mut self, folder: &Path, storage: Storage) -> Result<(), SaveError> {
        let dtype = if storage == Storage::F16 { "float16" } else { "float32" };
        if let Some(fields) = self.config_json.as_object_mut() {
            fields.shift_remove("torch_dtype");
            fields.insert("dtype".into(), dtype.into());
        }
        write_json(&folder.join("config.json"), &self.config_json)?;
        let path = folder.join("model.safetensors");
        let mut stored = BTreeMap::new();
        for tensor in self.tensors {
            if !tensor.values.iter().all(|x| fits(*x, storage)) {
                let problem =
                    format!("tensor \"{}\": a number that {dtype} cannot hold", tensor.name);
                return Err(SaveError { path, source: io::Error::other(problem) });
            }
            stored.extend(tensor.stored(storage));
        }
        write_tensors(&path, stored.into_iter())
    }
}

/// The names of tensors with one row or element for each token of the vocabulary.
fn by_token(config: &EncoderConfig) -> Vec<String> {
    let family = config.family;
    let table = family.encoder_key("embeddings.token.weight");
    let decoder = family.lm_decoder();
    vec![
        format!("{}{table}", family.prefix()),
        table,
        format!("{decoder}.weight"),
        format!("{decoder}.bias"),
        family.lm_head_key("lm_head.bias"),
        TIED_LM_BIAS.to_owned(),
    ]
}

fn some_rows(
    values: &[f32],
    shape: &[usize],
    rows: &[u32],
    config: &EncoderConfig,
) -> Option<Vec<f32>> {
    if shape.first() != Some(&config.vocab_size) {
        return None;
    }
    let width = values.len() / config.vocab_size;
    let mut kept = Vec::with_capacity(rows.len() * width);
    for row in rows {
        kept.extend_from_slice(values.get(*row as usize * width..(*row as usize + 1) * width)?);
    }
    Some(kept)
}

/// Puts the new numbers of tokens, which are their places in `rows`, into a configuration.
fn renumber(config_json: &mut Value, rows: &[u32]) {
    for (field, value) in config_json.as_object_mut().into_iter().flatten() {
        if field == "vocab_size" {
            *value = rows.len().into();
        } else if field.ends_with("_token_id") {
            let new =
                value.as_u64().and_then(|id| rows.iter().position(|row| u64::from(*row) == id));
            *value = new.into();
        }
    }
}

fn fits(x: f32, storage: Storage) -> bool {
    match storage {
        Storage::F32 => true,
        Storage::F16 => x.abs() <= f16::MAX.to_f32(),
        Storage::Int8 => x.is_finite(),
    }
}

impl StoredTensor {
    /// Leaves out the units of heads that a layer does not have, which lie along a dimension.
    fn prune(
        &mut self,
        config: &EncoderConfig,
        layer: usize,
        dim: usize,
        path: &Path,
    ) -> Result<(), LoadFault> {
        let n_heads = config.num_attention_heads;
        let mut expected = self.shape.clone();
        if let Some(units) = expected.get_mut(dim) {
            *units = config.hidden_size;
        }
        if expected != self.shape || dim >= self.shape.len() {
            let (path, tensor, found) = (path.to_owned(), self.name.clone(), self.shape.clone());
            return Err(LoadFault::Shape { path, tensor, expected, found });
        }
        let n_outer: usize = self.shape[..dim].iter().product();
        let of_head = (self.values.len() / n_outer.max(1) / n_heads).max(1);
        let blocks = self.values.chunks(of_head).enumerate();
        let kept = blocks.filter(|(block, _)| !config.pruned.lacks_head(layer, block % n_heads));
        self.values = kept.flat_map(|(_, values)| values).copied().collect();
        self.shape[dim] = config.attention_width(layer);
        Ok(())
    }

    fn stored(self, storage: Storage) -> Vec<(String, Bytes)> {
        let Self { name, shape, values } = self;
        match (storage, shape.as_slice()) {
            (Storage::F16, _) => {
                let bytes = values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
                vec![(name, Bytes { dtype: Dtype::F16, shape, bytes })]
            }
            (Storage::Int8, &[n_rows, width]) if width > 0 => {
                let (mut numbers, mut scales) = (Vec::with_capacity(values.len()), Vec::new());
                for row in values.chunks_exact(width) {
                    let scale = row.iter().fold(0f32, |max, x| max.max(x.abs())) / 127.0;
                    let number = |x: &f32| if scale > 0.0 { (x / scale).round() as i8 } else { 0 };
                    numbers.extend(row.iter().map(|x| number(x).cast_unsigned()));
                    scales.extend_from_slice(&scale.to_le_bytes());
                }
                let scales = Bytes { dtype: Dtype::F32, shape: vec![n_rows], bytes: scales };
                let numbers = Bytes { dtype: Dtype::I8, shape, bytes: numbers };
                vec![(format!("{name}{INT8}"), numbers), (format!("{name}{SCALE}"), scales)]
            }
            (Storage::F32 | Storage::Int8, _) => {
                let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                vec![(name, Bytes { dtype: Dtype::F32, shape, bytes })]
            }
        }
    }
}

struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::presets;

    fn tensor(shape: &[usize], values: &[f32]) -> StoredTensor {
        StoredTensor { name: "w".into(), shape: shape.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn each_row_has_a_factor_of_its_own() {
        let stored = tensor(&[3, 2], &[1.27, -0.02, 254.0, 3.0, 0.0, 0.0]).stored(Storage::Int8);
        let [(name, numbers), (scale_name, scales)] = &stored[..] else { panic!("two tensors") };
        assert_eq!((name.as_str(), scale_name.as_str()), ("w.int8", "w.scale"));
        let numbers: Vec<i8> = numbers.bytes.iter().map(|b| b.cast_signed()).collect();
        // Halves go away from zero: 3.0 is one and a half of its row's factor.
        assert_eq!(numbers, [127, -2, 127, 2, 0, 0]);
        let expected: Vec<u8> =
            [1.27f32 / 127.0, 2.0, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(scales.bytes, expected);
        let vector = tensor(&[2], &[0.5, -3.0]).stored(Storage::Int8);
        assert_eq!((vector[0].0.as_str(), vector[0].1.dtype), ("w", Dtype::F32));
    }

    #[test]
    fn units_of_pruned_heads_are_left_out_along_their_dimension() {
        let whole = EncoderConfig { hidden_size: 4, num_attention_heads: 2, ..presets::tiny(9) };
        let config = EncoderConfig { pruned: Pruning::new([(1, 0)], []), ..whole };
        let values: Vec<f32> = (0..8u8).map(f32::from).collect();
        let pruned = |shape: &[usize], layer, dim| {
            let mut tensor = tensor(shape, &values);
            tensor.prune(&config, layer, dim, "w".as_ref()).map(|()| (tensor.shape, tensor.values))
        };
        assert_eq!(pruned(&[4, 2], 1, 0).unwrap(), (vec![2, 2], vec![4.0, 5.0, 6.0, 7.0]));
        assert_eq!(pruned(&[2, 4], 1, 1).unwrap(), (vec![2, 2], vec![2.0, 3.0, 6.0, 7.0]));
        assert_eq!(pruned(&[2, 4], 0, 1).unwrap(), (vec![2, 4], values.clone()));
        let error = pruned(&[2, 4], 1, 0).unwrap_err().to_string();
        assert_eq!(error, "w: tensor \"w\": expected shape [4, 4], found [2, 4]");
    }

    #[test]
    fn numbers_of_tokens_follow_their_rows() {
        let mut config = json!({ "vocab_size": 9, "pad_token_id": 1, "eos_token_id": 8, "cls_token_id": null, "bos_token_id": 4 });
        renumber(&mut config, &[0, 1, 5, 8]);
        let expected = json!({ "vocab_size": 4, "pad_token_id": 1, "eos_token_id": 3, "cls_token_id": null, "bos_token_id": null });
        assert_eq!(config, expected);
    }
}
