//! Loading of models from Hugging Face folders.

use std::path::Path;

use burn::tensor::Device;

use super::config_json::parse_config;
use super::folder::Folder;
use super::folder_with_base::ModelFolder;
use super::loaded::{HeadChoice, LoadBase, LoadedModel};
use super::model_folder::{FolderKind, base_folder};
use super::weights::WeightFiles;
use super::{adapter_folder, adapter_only};
use crate::LoadError;

/// Loads a model from a Hugging Face folder onto a device (`from_pretrained`); an adapter-only
/// checkpoint or a folder of `peft` or `adapters` is loaded together with its base model.
///
/// # Errors
/// If a file is missing or corrupt, the architecture is not supported, a tensor of the encoder is
/// missing or does not fit, or a base model is not found; the error names all such tensors.
pub fn load(
    folder: impl Into<ModelFolder>,
    head: &HeadChoice,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    load_folder(&folder.into(), head, device)
}

fn load_folder(
    folder: &ModelFolder,
    head: &HeadChoice,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    match folder.open()? {
        FolderKind::Whole(path) => Folder::open(&path, head)?.build(None, device),
        adapted => load_adapted(folder, adapted, head, load_folder, device),
    }
}

/// Loads adapters together with their base model.
fn load_adapted(
    folder: &ModelFolder,
    place: FolderKind,
    head: &HeadChoice,
    load_base: LoadBase,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    match place {
        FolderKind::Whole(path) => load_base(&path.into(), head, device),
        FolderKind::Checkpoint(index) => {
            adapter_only::load(folder, &index, head, load_base, device)
        }
        FolderKind::Adapter { json, base } => {
            base_folder(folder)?;
            adapter_folder::load(&folder.path, &json, &base, head, load_base, device)
        }
    }
}

/// Loads a model with its saved task head from the bytes of a `config.json` and of a safetensors
/// file.
///
/// # Errors
/// As [`load`]; the files are named `config.json` and `model.safetensors` in messages.
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

/// Loads a model with a masked-language-model head, in addition to the task head of [`load`].
///
/// The head is the pretrained one, [`LmHeadKind::Own`](crate::LmHeadKind::Own), if the folder has a
/// tensor of one. Otherwise it is [`LmHeadKind::Tied`](crate::LmHeadKind::Tied), with a zero bias
/// unless the folder was saved with one. [`Model::lm_head_kind`](crate::Model::lm_head_kind)
/// returns the kind.
///
/// # Errors
/// As [`load`]; the error also names missing tensors of the pretrained head. A head whose decoder
/// is not tied to the token embeddings (`tie_word_embeddings`) is not supported.
pub fn load_masked_lm(
    folder: impl Into<ModelFolder>,
    head: &HeadChoice,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    load_folder_with_lm(&folder.into(), head, device)
}

fn load_folder_with_lm(
    folder: &ModelFolder,
    head: &HeadChoice,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    match folder.open()? {
        FolderKind::Whole(path) => {
            let folder = Folder::open(&path, head)?;
            let kind = folder.lm_head_kind()?;
            folder.build(Some(kind), device)
        }
        adapted => load_adapted(folder, adapted, head, load_folder_with_lm, device),
    }
}
