//! LoRA merged into the weights of its base.

use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{HeadChoice, LoadedModel, base_folder, load, save};

use crate::Error;
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
    let refuse =
        |problem: String| Err(Error::Unsuitable(format!("{}: {problem}", folder.display())));
    if let Some(name) = model.encoder.adapters().keys().next() {
        return refuse(format!("the adapter {name:?} is a bottleneck; only LoRA can be merged"));
    }
    let names: Vec<String> = model.encoder.loras().keys().cloned().collect();
    if names.is_empty() {
        return refuse("no LoRA to merge".into());
    }
    for name in names {
        let merged = model.encoder.merge_lora(&name);
        merged.map_err(|error| Error::Unsuitable(error.to_string()))?;
    }
    let tokenizer = base_folder(folder)?;
    replace_folder(out, |out| {
        save(out, &model, head.as_ref(), &config_json)?;
        copy_tokenizer(&tokenizer, out)
    })
}
