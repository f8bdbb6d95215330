//! Loading models from Hugging Face folders.

use std::path::Path;

use burn::tensor::Device;

use super::adapter_only;
use super::config_json::parse_config;
use super::folder::Folder;
use super::loaded::{HeadChoice, LoadedModel};
use super::weights::WeightFiles;
use crate::LoadError;

/// Loads a model folder onto a device; an adapter-only checkpoint together with its base model.
///
/// # Errors
/// If a file is missing or damaged, the architecture is not supported, or any tensor of the encoder
/// is missing or does not fit; all such tensors are named.
pub fn load(folder: &Path, head: &HeadChoice, device: &Device) -> Result<LoadedModel, LoadError> {
    match adapter_only::load(folder, head, load, device)? {
        Some(loaded) => Ok(loaded),
        None => Folder::open(folder, head)?.build(None, device),
    }
}

/// Loads a model from the bytes of a `config.json` and of a safetensors file, with the head that it was
/// saved with.
///
/// # Errors
/// As [`load`]; messages call the files `config.json` and `model.safetensors`.
pub fn load_bytes(
    config: &[u8],
    weights: Vec<u8>,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    let path = Path::new("config.json");
    let config = parse_config(config, path)?;
    let weights = WeightFiles::from_safetensors(weights, "model.safetensors".as_ref())?;
    Folder::new(path.to_owned(), config, weights, &HeadChoice::Saved)?.build(None, device)
}

/// As [`load`], with a masked-language-model head beside the other.
///
/// It is the folder's own, [`LmHeadKind::Own`](crate::LmHeadKind::Own), if there is any tensor of one.
/// Otherwise it is [`LmHeadKind::Tied`](crate::LmHeadKind::Tied), with a bias of zero unless the folder
/// was saved with one; [`Model::lm_head_kind`](crate::Model::lm_head_kind) tells which.
///
/// # Errors
/// As [`load`]; tensors that the own head lacks are named too, and a head whose decoder is not the
/// token embeddings (`tie_word_embeddings`) is not supported.
pub fn load_masked_lm(
    folder: &Path,
    head: &HeadChoice,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    if let Some(loaded) = adapter_only::load(folder, head, load_masked_lm, device)? {
        return Ok(loaded);
    }
    let folder = Folder::open(folder, head)?;
    let kind = folder.lm_head_kind()?;
    folder.build(Some(kind), device)
}
