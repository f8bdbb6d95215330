//! The index of an adapter-only checkpoint: its adapters, and where its base model is.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::read_json;
use crate::LoadError;

/// The file that such a folder is known by.
pub(super) const INDEX: &str = "isogloss.json";

/// The file of a folder of adapters of either library.
pub(super) const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Whether a folder holds a model, whole or as adapters.
pub(super) fn is_model(folder: &Path) -> bool {
    let files = ["config.json", ADAPTER_CONFIG, "modules.json"];
    files.iter().any(|file| folder.join(file).exists())
}

/// What [`INDEX`] says.
#[derive(Serialize, Deserialize)]
pub(super) struct Index {
    /// What the base model is called.
    pub(super) base_name: String,
    /// Where it is, from this folder if it can be told from there: a run that is moved with its model opens.
    pub(super) base_folder: PathBuf,
    /// Where it was, from the root: a run that is moved alone opens too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base_folder_absolute: Option<PathBuf>,
    /// The active adapters, the lowest first.
    pub(super) adapters: Vec<String>,
    /// The adapters of the `peft` library.
    #[serde(alias = "loras")]
    pub(super) peft: Vec<String>,
    /// How the head is scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scoring: Option<Value>,
}

impl Index {
    /// None for a folder that is no adapter-only checkpoint.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, LoadError> {
        let path = folder.join(INDEX);
        if !path.exists() {
            return Ok(None);
        }
        let mut this: Self = serde_json::from_value(read_json(&path)?)
            .map_err(|source| LoadError::Json { path: path.clone(), source })?;
        let mut folders = vec![folder.join(&this.base_folder)];
        folders.extend(this.base_folder_absolute.clone());
        match folders.iter().find(|folder| is_model(folder)) {
            Some(found) => this.base_folder = found.clone(),
            None => {
                return Err(LoadError::BaseModelGone { path, name: this.base_name, folders });
            }
        }
        Ok(Some(this))
    }
}
