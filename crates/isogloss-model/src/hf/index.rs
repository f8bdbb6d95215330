//! The index of an adapter-only checkpoint: its adapters, and where its base model is.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
    /// Where it is.
    pub(super) base_folder: PathBuf,
    /// The active adapters, the lowest first.
    pub(super) adapters: Vec<String>,
    /// The adapters of the `peft` library.
    #[serde(alias = "loras")]
    pub(super) peft: Vec<String>,
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
        this.base_folder = folder.join(this.base_folder);
        if !is_model(&this.base_folder) {
            let (name, folder) = (this.base_name, this.base_folder);
            return Err(LoadError::BaseModelGone { path, name, folder });
        }
        Ok(Some(this))
    }
}
