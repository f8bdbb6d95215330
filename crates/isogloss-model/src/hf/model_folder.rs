//! Model folders: detects a full model, a sentence-transformers model or adapters, and resolves the
//! base model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::folder_with_base::ModelFolder;
use super::index::{ADAPTER_CONFIG, BaseModel, INDEX, Index, is_model};
use super::json::read_json;
use super::sentence_transformers::transformer_folder;
use crate::LoadError;

/// Maximum length of a chain of adapter folders whose base is an adapter folder too.
const MAX_DEPTH: usize = 8;

impl ModelFolder {
    /// Detects the kind of the folder.
    pub(super) fn open(&self) -> Result<FolderKind, LoadError> {
        if let Some(index) = Index::read(&self.path, self.base.as_deref())? {
            return Ok(FolderKind::Checkpoint(index));
        }
        let path = self.path.join(ADAPTER_CONFIG);
        if !path.exists() {
            return Ok(FolderKind::Whole(self.whole()?));
        }
        let json = read_json(&path)?;
        // As `transformers`, which loads the base model and the adapter even if a `peft` folder
        // also has a full model.
        if json.get("peft_type").is_none() && self.path.join("config.json").exists() {
            return Ok(FolderKind::Whole(self.whole()?));
        }
        let base = match (&self.base, base_name(&json)) {
            (Some(base), _) => base.clone(),
            (None, (field, name)) => {
                let found = name.as_deref().and_then(|name| local_base(&self.path, name));
                found.ok_or(LoadError::BaseModelNotLocal { path, field, name })?
            }
        };
        Ok(FolderKind::Adapter { json, base })
    }

    fn whole(&self) -> Result<PathBuf, LoadError> {
        Ok(transformer_folder(&self.path)?.unwrap_or_else(|| self.path.clone()))
    }
}

/// Kind of a model folder.
pub(super) enum FolderKind {
    /// Full model, in the folder itself or in that of a sentence-transformers module.
    Whole(PathBuf),
    /// Adapter-only checkpoint.
    Checkpoint(Index),
    /// Adapter of the `peft` or the `adapters` library: its configuration and the folder of its
    /// base model.
    Adapter { json: Value, base: PathBuf },
}

impl FolderKind {
    /// Folder of the base model; `None` for a full model.
    fn base(&self) -> Option<ModelFolder> {
        match self {
            Self::Whole(_) => None,
            Self::Checkpoint(index) => Some(index.base()),
            Self::Adapter { base, .. } => Some(base.into()),
        }
    }
}

/// Field of `adapter_config.json` with the name of the base model, and its value.
fn base_name(json: &Value) -> (&'static str, Option<String>) {
    let is_peft = json.get("peft_type").is_some();
    let field = if is_peft { "base_model_name_or_path" } else { "model_name" };
    (field, json.get(field).and_then(Value::as_str).map(str::to_owned))
}

/// Local folder of the base model: `name` relative to the adapter's folder, else as it is.
fn local_base(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut paths = [folder.join(name), PathBuf::from(name)].into_iter();
    paths.find(|path| !name.is_empty() && is_model(path))
}

/// Name of the base model to download, if a folder has adapters whose base is neither given nor a
/// local folder.
///
/// # Errors
/// If a file of the folder is corrupt.
pub fn missing_base_model(folder: &ModelFolder) -> Result<Option<String>, LoadError> {
    match folder.open() {
        Err(LoadError::BaseModelNotLocal { name, .. }) => Ok(name),
        Err(error) => Err(error),
        Ok(_) => Ok(None),
    }
}

/// Chain of folders from this one, through its base models, to the full model.
fn chain(folder: ModelFolder) -> Result<Vec<PathBuf>, LoadError> {
    let mut folder = folder;
    let mut folders = Vec::new();
    for _ in 0..MAX_DEPTH {
        let kind = folder.open()?;
        match (&kind, kind.base()) {
            (_, Some(base)) => {
                folders.push(std::mem::replace(&mut folder, base).path);
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

/// Folder of the base model: the full model that adapters were trained on; for a full model the
/// folder itself, or that of its sentence-transformers module.
///
/// # Errors
/// If the base model is not found, or the folder does not name it.
pub fn base_folder(folder: impl Into<ModelFolder>) -> Result<PathBuf, LoadError> {
    let folder = folder.into();
    let path = folder.path.clone();
    Ok(chain(folder)?.pop().unwrap_or(path))
}

/// The model that the adapters of a folder were added to, with the name that the folder has for
/// it; `None` for a full model.
///
/// # Errors
/// As [`base_folder`].
pub fn base_model(folder: impl Into<ModelFolder>) -> Result<Option<BaseModel>, LoadError> {
    Ok(match folder.into().open()? {
        FolderKind::Whole(_) => None,
        FolderKind::Checkpoint(index) => {
            let folder = index.base();
            Some(BaseModel { name: index.base_name, folder, files: index.base_files })
        }
        FolderKind::Adapter { json, base } => {
            let (_, name) = base_name(&json);
            let name = name.unwrap_or_else(|| base.display().to_string());
            Some(BaseModel { name, folder: base.into(), files: BTreeMap::new() })
        }
    })
}

/// Folder of the tokenizer: the first one on the chain from this folder to its [`base_folder`] that
/// has a `tokenizer.json`, else the base folder.
///
/// # Errors
/// As [`base_folder`].
pub fn tokenizer_folder(folder: impl Into<ModelFolder>) -> Result<PathBuf, LoadError> {
    let mut folders = chain(folder.into())?;
    let found = folders.iter().position(|folder| folder.join("tokenizer.json").exists());
    Ok(folders.swap_remove(found.unwrap_or(folders.len() - 1)))
}

/// Whether a folder contains adapters with a base model, and not a full model.
///
/// # Errors
/// If a file of the folder is corrupt.
pub fn is_adapter_folder(folder: impl Into<ModelFolder>) -> Result<bool, LoadError> {
    match folder.into().open() {
        Err(LoadError::BaseModelNotLocal { .. }) => Ok(true),
        Err(error) => Err(error),
        Ok(kind) => Ok(kind.base().is_some()),
    }
}
