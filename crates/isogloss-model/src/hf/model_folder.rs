//! Model folders: a whole model, one of sentence-transformers, or adapters on a base; and where that base is.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::index::{ADAPTER_CONFIG, INDEX, Index, is_model};
use super::json::read_json;
use super::sentence_transformers::transformer_folder;
use crate::LoadError;

/// Folders whose base is a folder of adapters too, and so on, at most.
const MAX_DEPTH: usize = 8;

/// A folder that a model is loaded from, and the base of the adapters that it holds, where that is not
/// what the folder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFolder {
    /// The folder.
    pub path: PathBuf,
    /// The folder of its base model.
    pub base: Option<PathBuf>,
}

impl ModelFolder {
    /// What the folder holds.
    pub(super) fn open(&self) -> Result<FolderKind, LoadError> {
        if let Some(index) = Index::read(&self.path)? {
            return Ok(FolderKind::Checkpoint(index));
        }
        let path = self.path.join(ADAPTER_CONFIG);
        if !path.exists() {
            return Ok(FolderKind::Whole(self.whole()?));
        }
        let json = read_json(&path)?;
        // As `transformers`, which takes the base where the folder of `peft` holds a model too.
        if json.get("peft_type").is_none() && self.path.join("config.json").exists() {
            return Ok(FolderKind::Whole(self.whole()?));
        }
        let base = match (&self.base, base_name(&json)) {
            (Some(base), _) => base.clone(),
            (None, (field, name)) => {
                let found = name.as_deref().and_then(|name| local_base(&self.path, name));
                found.ok_or(LoadError::BaseModelWanted { path, field, name })?
            }
        };
        Ok(FolderKind::Adapter { json, base })
    }

    fn whole(&self) -> Result<PathBuf, LoadError> {
        Ok(transformer_folder(&self.path)?.unwrap_or_else(|| self.path.clone()))
    }
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

/// What a folder holds.
pub(super) enum FolderKind {
    /// A whole model, here or in the folder of a sentence-transformers module.
    Whole(PathBuf),
    /// An adapter-only checkpoint.
    Checkpoint(Index),
    /// An adapter of either library: its configuration, and the folder of its base.
    Adapter { json: Value, base: PathBuf },
}

impl FolderKind {
    /// The folder that this one stands on; none for a whole model.
    fn base(&self) -> Option<&Path> {
        match self {
            Self::Whole(_) => None,
            Self::Checkpoint(index) => Some(&index.base_folder),
            Self::Adapter { base, .. } => Some(base),
        }
    }
}

/// The field of an adapter's configuration that names its base, and what it says.
fn base_name(json: &Value) -> (&'static str, Option<String>) {
    let is_peft = json.get("peft_type").is_some();
    let field = if is_peft { "base_model_name_or_path" } else { "model_name" };
    (field, json.get(field).and_then(Value::as_str).map(str::to_owned))
}

/// The base as a folder on this machine: seen from the adapter's folder, else as it stands.
fn local_base(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut paths = [folder.join(name), PathBuf::from(name)].into_iter();
    paths.find(|path| !name.is_empty() && is_model(path))
}

/// What the base model of a folder of adapters is called, if it has to be fetched: neither given nor a
/// folder on this machine.
///
/// # Errors
/// If a file of the folder is damaged.
pub fn base_to_fetch(folder: &ModelFolder) -> Result<Option<String>, LoadError> {
    match folder.open() {
        Err(LoadError::BaseModelWanted { name, .. }) => Ok(name),
        Err(error) => Err(error),
        Ok(_) => Ok(None),
    }
}

/// The folders from this one to that of the whole model that it stands on.
fn chain(folder: ModelFolder) -> Result<Vec<PathBuf>, LoadError> {
    let mut folder = folder;
    let mut folders = Vec::new();
    for _ in 0..MAX_DEPTH {
        let kind = folder.open()?;
        match (&kind, kind.base()) {
            (_, Some(base)) => {
                let base = base.to_owned();
                folders.push(std::mem::replace(&mut folder, base.into()).path);
            }
            (FolderKind::Whole(path), None) => {
                folders.push(path.clone());
                return Ok(folders);
            }
            (_, None) => break,
        }
    }
    let index = folder.path.join(INDEX);
    let path = if index.exists() { index } else { folder.path.join(ADAPTER_CONFIG) };
    Err(LoadError::BaseModelCycle { path })
}

/// The folder of the whole model that a folder of adapters stands on; the folder itself, or that of its
/// sentence-transformers module, if it holds a whole model.
///
/// # Errors
/// If the folder says where its base is, and it is not there, or does not say it.
pub fn base_folder(folder: impl Into<ModelFolder>) -> Result<PathBuf, LoadError> {
    let folder = folder.into();
    let path = folder.path.clone();
    Ok(chain(folder)?.pop().unwrap_or(path))
}

/// The folder whose tokenizer a model reads with: the first from this one to its
/// [`base_folder`] that has a `tokenizer.json`.
///
/// # Errors
/// As [`base_folder`].
pub fn tokenizer_folder(folder: impl Into<ModelFolder>) -> Result<PathBuf, LoadError> {
    let mut folders = chain(folder.into())?;
    let found = folders.iter().position(|folder| folder.join("tokenizer.json").exists());
    Ok(folders.swap_remove(found.unwrap_or(folders.len() - 1)))
}

/// Whether a folder holds adapters on a base, and not a whole model.
///
/// # Errors
/// If a file of the folder is damaged.
pub fn is_on_base(folder: &Path) -> Result<bool, LoadError> {
    match ModelFolder::from(folder).open() {
        Err(LoadError::BaseModelWanted { .. }) => Ok(true),
        Err(error) => Err(error),
        Ok(kind) => Ok(kind.base().is_some()),
    }
}
