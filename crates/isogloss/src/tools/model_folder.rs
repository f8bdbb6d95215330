//! Copies of a model folder with other weights: the files to copy, and the size of the weights.

use std::fs;
use std::path::Path;

use isogloss_model::{base_folder, is_adapter_folder};
use isogloss_report::SUBNETWORKS;

use crate::Error;
use crate::error::{ToolError, io};
use crate::ground::sentence_modules::copy_sentence_modules;
use crate::task::CENTRING;

/// Files beside the weights that are copied unchanged.
const UNCHANGED: [&str; 3] =
    ["special_tokens_map.json", "modeling_isogloss.py", "modeling_isogloss_lm.py"];

/// Fails for an adapter-only checkpoint, whose base model is in another folder.
pub(super) fn check_whole(folder: &Path) -> Result<(), Error> {
    if is_adapter_folder(folder)? {
        return Err(ToolError::AdapterOnly { folder: folder.to_owned() }.into());
    }
    Ok(())
}

/// Copies the files that other libraries use with the model, and its sentence-transformers modules.
pub(super) fn copy_unchanged(folder: &Path, out: &Path) -> Result<(), Error> {
    let base = base_folder(folder)?;
    for name in UNCHANGED {
        let (from, to) = (base.join(name), out.join(name));
        if from.exists() {
            fs::copy(&from, &to).map_err(io(&to))?;
        }
    }
    copy_sentence_modules(&folder.into(), out)
}

/// Copies what a model folder has for single languages, the language centring and the subnetworks, to
/// one with the same features and parts.
pub(crate) fn copy_language_files(folder: &Path, out: &Path) -> Result<(), Error> {
    let copy = |name: &Path| {
        let to = out.join(name);
        fs::copy(folder.join(name), &to).map(drop).map_err(io(&to))
    };
    if folder.join(CENTRING).exists() {
        copy(CENTRING.as_ref())?;
    }
    let subnetworks = folder.join(SUBNETWORKS);
    if !subnetworks.is_dir() {
        return Ok(());
    }
    let to = out.join(SUBNETWORKS);
    fs::create_dir_all(&to).map_err(io(&to))?;
    for entry in fs::read_dir(&subnetworks).map_err(io(&subnetworks))? {
        let name = Path::new(SUBNETWORKS).join(entry.map_err(io(&subnetworks))?.file_name());
        if name.extension().is_some_and(|extension| extension == "toml") {
            copy(&name)?;
        }
    }
    Ok(())
}

/// The size of the weights of a model folder in bytes, without dense layers of sentence-transformers.
pub(super) fn weight_bytes(folder: &Path) -> Result<u64, Error> {
    let folder = &base_folder(folder)?;
    let mut sum = 0;
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors" || extension == "bin")
        {
            sum += entry.metadata().map_err(io(&path))?.len();
        }
    }
    Ok(sum)
}
