//! LoRA merged into the weights of its base.

use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{HeadChoice, LoadedModel, base_folder, load, save};

use crate::Error;
use crate::error::ToolError;
use crate::ground::files::replace_folder;
use crate::ground::tokenizer_files::copy_tokenizer;

/// Writes a model with low-rank changes as a whole one, with the changes in its weights for good.
///
/// # Errors
/// If it has no such changes, or has other adapters, which are no part of the weights; or if a file
/// cannot be read or written.
pub fn merge(folder: &Path, out: &Path, device: &Device) -> Result<(), Error> {
    let LoadedModel { mut model, head, config_json, .. } =
        load(folder, &HeadChoice::Saved, device)?;
    let folder_of = || folder.to_owned();
    if let Some(name) = model.encoder.adapters().keys().next() {
        return Err(ToolError::Bottleneck { folder: folder_of(), name: name.clone() }.into());
    }
    let names: Vec<String> = model.encoder.loras().keys().cloned().collect();
    if names.is_empty() {
        return Err(ToolError::NoLora { folder: folder_of() }.into());
    }
    for name in names {
        model.encoder.merge_lora(&name).map_err(ToolError::from)?;
    }
    let tokenizer = base_folder(folder)?;
    replace_folder(out, |out| {
        save(out, &model, head.as_ref(), &config_json)?;
        copy_tokenizer(&tokenizer, out)
    })
}
