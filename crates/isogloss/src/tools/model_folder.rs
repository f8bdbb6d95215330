//! Copies of a model folder with other weights: the files to copy, and the size of the weights.

use std::fs;
use std::path::Path;

use isogloss_model::is_adapter_folder;

use crate::Error;
use crate::error::{ToolError, io};

/// Files that are copied unchanged.
const UNCHANGED: [&str; 7] = [
    "special_tokens_map.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "modeling_isogloss.py",
    "modeling_isogloss_lm.py",
];

/// Fails for an adapter-only checkpoint, whose base model is in another folder.
pub(super) fn check_whole(folder: &Path) -> Result<(), Error> {
    if is_adapter_folder(folder)? {
        return Err(ToolError::AdapterOnly { folder: folder.to_owned() }.into());
    }
    Ok(())
}

/// Copies the files that other libraries use with the model.
pub(super) fn copy_unchanged(from: &Path, out: &Path) -> Result<(), Error> {
    for name in UNCHANGED {
        let (from, to) = (from.join(name), out.join(name));
        if from.exists() {
            let folder = to.parent().unwrap_or(out);
            fs::create_dir_all(folder).map_err(io(folder))?;
            fs::copy(&from, &to).map_err(io(&to))?;
        }
    }
    Ok(())
}

/// The size of the weights of a model folder in bytes.
pub(super) fn weight_bytes(folder: &Path) -> Result<u64, Error> {
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
