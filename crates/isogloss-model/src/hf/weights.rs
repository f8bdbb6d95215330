//! Weight files of a folder: safetensors or PyTorch pickle, in one file or sharded.
//!
//! A matrix `name` may be quantized to 8 bits, see [`Storage::Int8`](crate::Storage::Int8): the
//! integers are `name.int8`, the scale of each row is in `name.scale`.

mod file;
mod header;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::read_json;
use crate::error::nearest;
use crate::{LoadError, LoadFault};

pub(crate) use file::{INT8, SCALE};
pub use write::write_safetensors;
pub(crate) use write::{Bytes, write_tensors};

use file::WeightFile;

/// Open weight files of a folder; tensors are read one at a time.
#[derive(Debug)]
pub struct WeightFiles {
    /// The single file, or the index of the shards.
    path: PathBuf,
    files: Vec<WeightFile>,
    /// Index into `files`, by tensor name.
    index: BTreeMap<String, usize>,
}

impl WeightFiles {
    /// Opens a safetensors file from its bytes; `path` is used in messages.
    ///
    /// # Errors
    /// If they are corrupt.
    pub fn from_safetensors(bytes: Vec<u8>, path: &Path) -> Result<Self, LoadError> {
        let file = WeightFile::from_safetensors(bytes, path)?;
        Ok(Self::new(path.to_owned(), vec![file]))
    }

    /// Opens the weight files of a folder, safetensors before PyTorch.
    ///
    /// # Errors
    /// If there are none, or a file is missing or corrupt.
    pub fn open(folder: &Path) -> Result<Self, LoadError> {
        for (single, sharded) in [
            ("model.safetensors", "model.safetensors.index.json"),
            ("pytorch_model.bin", "pytorch_model.bin.index.json"),
        ] {
            if folder.join(single).exists() {
                return Self::open_files(folder.join(single), vec![folder.join(single)]);
            }
            if folder.join(sharded).exists() {
                let index = folder.join(sharded);
                let shards = shards(folder, &index)?;
                return Self::open_files(index, shards);
            }
        }
        Err(LoadError::NoWeights { path: folder.to_owned() })
    }

    /// Opens the first of these files that exists in the folder.
    ///
    /// # Errors
    /// If none of them exists, or the file is corrupt.
    pub(crate) fn open_first(folder: &Path, names: &[&str]) -> Result<Self, LoadError> {
        match names.iter().map(|name| folder.join(name)).find(|path| path.exists()) {
            Some(path) => Self::open_files(path.clone(), vec![path]),
            None => Err(LoadError::NoAdapterWeights {
                path: folder.to_owned(),
                expected: names.join(" or "),
            }),
        }
    }

    fn open_files(path: PathBuf, paths: Vec<PathBuf>) -> Result<Self, LoadError> {
        let files = paths.into_iter().map(WeightFile::open).collect::<Result<_, _>>()?;
        Ok(Self::new(path, files))
    }

    fn new(path: PathBuf, files: Vec<WeightFile>) -> Self {
        let mut index = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            index.extend(file.names().into_iter().map(|name| (name, number)));
        }
        Self { path, files, index }
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Path for messages: the single file, or the index of the shards.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shape of a tensor; `None` if it does not exist.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let file = &self.files[*self.index.get(name)?];
        file.shape(name)
    }

    /// Reads a tensor as `f32` from any supported dtype.
    ///
    /// # Errors
    /// If it is missing, has another shape or an unsupported dtype, or cannot be read.
    pub fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault> {
        let Some(number) = self.index.get(name) else {
            return Err(LoadFault::Missing {
                path: self.path().to_owned(),
                tensor: name.to_owned(),
                nearest: nearest(name, self.names()),
            });
        };
        self.files[*number].read(name, shape)
    }
}

/// Shards that an index lists, sorted, without duplicates.
fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let json = read_json(index)?;
    let map = json.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| LoadError::NoWeightMap { path: index.to_owned() })?;
    let mut names = BTreeSet::new();
    for (tensor, file) in map {
        let name = file.as_str().filter(|name| is_file_name(name));
        let shard = name.ok_or_else(|| LoadError::ShardName {
            path: index.to_owned(),
            tensor: tensor.clone(),
            found: file.to_string(),
        })?;
        names.insert(shard);
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Whether a name is a plain file name, which cannot leave its folder on any system.
fn is_file_name(name: &str) -> bool {
    !name.contains(['/', '\\', ':', '\0']) && !["", ".", ".."].contains(&name)
}
