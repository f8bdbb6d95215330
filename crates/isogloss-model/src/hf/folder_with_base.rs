//! Path of a model folder, with that of its base model where it is named beside it.

use std::path::{Path, PathBuf};

/// Model folder to load, with an optional base model that overrides the one named in an adapter
/// folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFolder {
    /// Path of the folder.
    pub path: PathBuf,
    /// Folder of the base model; `None` for the one named in the folder.
    pub base: Option<PathBuf>,
}

impl From<PathBuf> for ModelFolder {
    fn from(path: PathBuf) -> Self {
        Self { path, base: None }
    }
}

impl From<&PathBuf> for ModelFolder {
    fn from(path: &PathBuf) -> Self {
        path.clone().into()
    }
}

impl From<&Path> for ModelFolder {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

impl From<&str> for ModelFolder {
    fn from(path: &str) -> Self {
        PathBuf::from(path).into()
    }
}

impl From<&ModelFolder> for ModelFolder {
    fn from(folder: &ModelFolder) -> Self {
        folder.clone()
    }
}
