//! Adapter merging: adapters of the `peft` library (LoRA, (IA)³) are merged into the base weights.

use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{
    AdapterLibrary, HeadChoice, LoadedModel, ModelFolder, load, save_scored, tokenizer_folder,
};

use crate::Error;
use crate::error::ToolError;
use crate::ground::files::replace_folder;
use crate::ground::sentence_modules::copy_sentence_modules;
use crate::ground::tokenizer_files::copy_tokenizer;
use crate::tools::model_folder::copy_language_files;

/// Adapter merging (`merge_and_unload` of `peft`): merges adapters of the `peft` library into the
/// weights of a model, and writes it to `out` as a whole model.
///
/// # Errors
/// If it has no adapter, or one of another library, which cannot be merged; or if a file cannot be
/// read or written.
pub fn merge(folder: impl Into<ModelFolder>, out: &Path, device: &Device) -> Result<(), Error> {
    let folder = folder.into();
    let LoadedModel { mut model, head, config_json, scoring, .. } =
        load(&folder, &HeadChoice::SavedIfRead, device)?;
    let folder_of = || folder.path.clone();
    if let Some((name, config)) = model.encoder.adapters(AdapterLibrary::Adapters).next() {
        let (name, kind) = (name.to_owned(), config.kind());
        return Err(ToolError::NotMergeable { folder: folder_of(), name, kind }.into());
    }
    let in_peft = model.encoder.adapters(AdapterLibrary::Peft);
    let names: Vec<String> = in_peft.map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        return Err(ToolError::NoAdapter { folder: folder_of() }.into());
    }
    for name in names {
        model.encoder.merge_adapter(&name).map_err(ToolError::from)?;
    }
    let tokenizer = tokenizer_folder(&folder)?;
    replace_folder(out, |out| {
        save_scored(out, &model, head.as_ref(), &config_json, scoring.as_ref())?;
        copy_tokenizer(&tokenizer, out)?;
        copy_language_files(&folder.path, out)?;
        copy_sentence_modules(&folder, out)
    })
}
