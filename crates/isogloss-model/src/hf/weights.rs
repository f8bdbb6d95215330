//! Weight files of a folder: safetensors in one file or several, or PyTorch's pickle.
//!
//! A matrix `name` may be stored in 8 bits, as [`Storage::Int8`](crate::Storage::Int8) does: its
//! numbers as `name.int8`, what each row is multiplied by as `name.scale`.

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

/// The weight files of a folder, opened; tensors are read one at a time.
#[derive(Debug)]
pub struct WeightFiles {
    /// The one file, or the index of several.
    path: PathBuf,
    files: Vec<WeightFile>,
    /// Tensor name to file.
    index: BTreeMap<String, usize>,
}

impl WeightFiles {
    /// Takes the bytes of a safetensors file; `path` stands for it in messages.
    ///
    /// # Errors
    /// If they are damaged.
    pub fn from_safetensors(bytes: Vec<u8>, path: &Path) -> Result<Self, LoadError> {
        let file = WeightFile::from_safetensors(bytes, path)?;
        Ok(Self::new(path.to_owned(), vec![file]))
    }

    /// Opens whichever weights the folder has, safetensors first.
    ///
    /// # Errors
    /// If there are none, or a file is missing or damaged.
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

    /// Opens the first of these files that the folder has.
    ///
    /// # Errors
    /// If it has none of them, or the file is damaged.
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

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// The file that stands for the folder in messages: the only one, or the index of several.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let file = &self.files[*self.index.get(name)?];
        file.shape(name)
    }

    /// Reads a tensor as `f32`, whatever float it is stored as.
    ///
    /// # Errors
    /// If it is missing, of another shape or type, or cannot be read.
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

/// The files that an index names, in order, each once.
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

/// Whether a name leads to nowhere but the folder it is used in, on any system.
fn is_file_name(name: &str) -> bool {
    !name.contains(['/', '\\', ':', '\0']) && !["", ".", ".."].contains(&name)
}
