//! Merged adapters as the model of commands that edit weights (`compress`, `prune`, `trim`).

use std::fs;
use std::path::{Path, PathBuf};

use isogloss::device::{DeviceChoice, open};
use isogloss::model::base_model;

use super::model_folder;
use crate::args::HubArgs;

/// Model folder with complete weights; that of merged adapters is temporary.
pub(crate) struct WholeModel {
    path: PathBuf,
    is_temporary: bool,
}

impl WholeModel {
    /// Resolves a model, and merges it if it is an adapter-only folder.
    ///
    /// # Errors
    /// If it or the base of its adapters is not found, or its adapters cannot be merged, such as
    /// bottleneck adapters.
    pub(crate) fn resolve(model: &str, hub: &HubArgs) -> anyhow::Result<Self> {
        let folder = model_folder(model, hub)?;
        let Some(base) = base_model(&folder)? else {
            return Ok(Self { path: folder.path, is_temporary: false });
        };
        let path = std::env::temp_dir().join(format!("isogloss-merged-{}", std::process::id()));
        // Removed by its destructor, whether the merge succeeds or not.
        let merged = Self { path, is_temporary: true };
        isogloss::merge(&folder, &merged.path, &open(DeviceChoice::default())?.device)?;
        eprintln!("{}: merged into {}", folder.path.display(), base.folder.path.display());
        Ok(merged)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WholeModel {
    fn drop(&mut self) {
        if self.is_temporary {
            _ = fs::remove_dir_all(&self.path);
        }
    }
}
