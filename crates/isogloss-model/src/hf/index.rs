//! Index file of an adapter-only checkpoint: its adapters and the path of its base model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fingerprint::Fingerprint;
use super::folder_with_base::ModelFolder;
use super::json::read_json;
use crate::LoadError;

/// Index file, which marks a folder as an adapter-only checkpoint.
pub(super) const INDEX: &str = "isogloss.json";

/// Configuration file of an adapter folder of the `peft` or the `adapters` library.
pub(super) const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Whether a folder contains a full model or adapters.
pub(super) fn is_model(folder: &Path) -> bool {
    let files = ["config.json", ADAPTER_CONFIG, "modules.json"];
    files.iter().any(|file| folder.join(file).exists())
}

/// Base model of adapters: the full model that they were added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseModel {
    /// Name: a folder, or a repository on the Hugging Face hub.
    pub name: String,
    /// Local folder; if it is a folder of adapters too, with the base that was named for it.
    pub folder: ModelFolder,
    /// Fingerprints of its files, see [`model_fingerprints`](crate::model_fingerprints); none if they are
    /// not known.
    pub files: BTreeMap<String, Fingerprint>,
}

/// Relative path from one folder to another, with `/` as separator on every system; `None` if a
/// folder does not exist or there is no relative path.
pub fn relative_path(from: &Path, to: &Path) -> Option<PathBuf> {
    let (from, to) = (from.canonicalize().ok()?, to.canonicalize().ok()?);
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let n_shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if n_shared == 0 {
        return None;
    }
    let up = from[n_shared..].iter().map(|_| Some(".."));
    let down = to[n_shared..].iter().map(|part| part.as_os_str().to_str());
    let parts: Vec<&str> = up.chain(down).collect::<Option<_>>()?;
    Some(parts.join("/").into())
}

/// Content of [`INDEX`].
#[derive(Serialize, Deserialize)]
pub(super) struct Index {
    /// Name of the base model.
    pub(super) base_name: String,
    /// Path of the base model, relative to this folder if possible, so that a run that is moved
    /// together with the base model can be loaded.
    pub(super) base_folder: PathBuf,
    /// Absolute path of the base model, so that a run that is moved alone can be loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base_folder_absolute: Option<PathBuf>,
    /// Path of the base of the base model, relative to this folder if possible, if the base model is a
    /// folder of adapters whose base was named beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base_of_base: Option<PathBuf>,
    /// Its absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base_of_base_absolute: Option<PathBuf>,
    /// Fingerprints of the base model's files; none in a folder of an earlier version, or if another
    /// base is given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) base_files: BTreeMap<String, Fingerprint>,
    /// Active adapters of the `adapters` library, in the order of the forward pass.
    pub(super) adapters: Vec<String>,
    /// Adapters of the `peft` library.
    #[serde(alias = "loras")]
    pub(super) peft: Vec<String>,
    /// Scoring settings of the task head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scoring: Option<Value>,
}

impl Index {
    /// Reads the index of a folder, with `base` in place of the base model that it names; `None` if
    /// it is not an adapter-only checkpoint.
    pub(super) fn read(folder: &Path, base: Option<&Path>) -> Result<Option<Self>, LoadError> {
        let path = folder.join(INDEX);
        if !path.exists() {
            return Ok(None);
        }
        let this: Self = serde_json::from_value(read_json(&path)?)
            .map_err(|source| LoadError::Json { path: path.clone(), source })?;
        if let Some(base) = base {
            let (base_folder, base_of_base, base_files) = (base.to_owned(), None, BTreeMap::new());
            return Ok(Some(Self { base_folder, base_of_base, base_files, ..this }));
        }
        let find = |relative: &Path, absolute: &Option<PathBuf>| {
            let mut folders = vec![folder.join(relative)];
            folders.extend(absolute.clone());
            let found = folders.iter().find(|folder| is_model(folder)).cloned();
            found.ok_or_else(|| {
                let (path, name) = (path.clone(), this.base_name.clone());
                LoadError::BaseModelNotFound { path, name, folders }
            })
        };
        let base_folder = find(&this.base_folder, &this.base_folder_absolute)?;
        let base_of_base = this.base_of_base.as_deref();
        let base_of_base = base_of_base.map(|base| find(base, &this.base_of_base_absolute));
        let base_of_base = base_of_base.transpose()?;
        Ok(Some(Self { base_folder, base_of_base, ..this }))
    }

    /// The folder of the base model.
    pub(super) fn base(&self) -> ModelFolder {
        ModelFolder { path: self.base_folder.clone(), base: self.base_of_base.clone() }
    }
}
