//! A model folder written again: with fewer rows of its vocabulary, or in smaller numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{write_json, write_tensors};
use crate::family::TIED_LM_BIAS;
use crate::weights::{INT8, SCALE};
use crate::{EncoderConfig, LoadError, LoadFault, SaveError, WeightFiles, read_config};

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
        Ok(Self { config_json, tensors, n_parameters_read })
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
    fn numbers_of_tokens_follow_their_rows() {
        let mut config = json!({ "vocab_size": 9, "pad_token_id": 1, "eos_token_id": 8, "cls_token_id": null, "bos_token_id": 4 });
        renumber(&mut config, &[0, 1, 5, 8]);
        let expected = json!({ "vocab_size": 4, "pad_token_id": 1, "eos_token_id": 3, "cls_token_id": null, "bos_token_id": null });
        assert_eq!(config, expected);
    }
}
