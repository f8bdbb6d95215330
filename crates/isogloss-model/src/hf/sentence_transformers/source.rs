//! Files of a sentence-transformers folder: on disk, or in memory.

use std::path::Path;

use serde_json::Value;

use crate::LoadError;
use crate::hf::json::{parse_json, read_json};
use crate::hf::weights::WeightFiles;

/// Files of a sentence-transformers folder: on disk, or their bytes by relative path.
pub(super) enum Source<'a> {
    Folder(&'a Path),
    Bytes(&'a dyn Fn(&str) -> Option<Vec<u8>>),
}

impl Source<'_> {
    /// Path of the folder; empty for bytes, whose paths are relative.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Bytes(_) => Path::new(""),
        }
    }

    /// Bytes of a file, if they are in memory.
    fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        match self {
            Self::Folder(_) => None,
            Self::Bytes(read) => read(&path.to_string_lossy()),
        }
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        match self {
            Self::Folder(_) => path.exists(),
            Self::Bytes(_) => self.bytes(path).is_some(),
        }
    }

    pub(super) fn json(&self, path: &Path) -> Result<Value, LoadError> {
        match self {
            Self::Folder(_) => read_json(path),
            Self::Bytes(_) => parse_json(&self.bytes(path).ok_or_else(|| missing(path))?, path),
        }
    }

    pub(super) fn weights(&self, folder: &Path) -> Result<WeightFiles, LoadError> {
        let path = folder.join("model.safetensors");
        match self {
            Self::Folder(_) => WeightFiles::open(folder),
            Self::Bytes(_) => {
                let bytes = self.bytes(&path).ok_or_else(|| missing(&path))?;
                WeightFiles::from_safetensors(bytes, &path)
            }
        }
    }
}

/// Error for a file whose bytes are not given.
fn missing(path: &Path) -> LoadError {
    LoadError::Io { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() }
}
