//! Loading models from Hugging Face folders.

use std::path::Path;

use burn::tensor::Device;

use super::config_json::parse_config;
use super::folder::Folder;
use super::loaded::{HeadChoice, LoadBase, LoadedModel};
use super::model_folder::{FolderKind, ModelFolder, base_folder};
use super::weights::WeightFiles;
use super::{adapter_folder, adapter_only};
use crate::LoadError;

/// Loads a model folder onto a device; adapters, of an adapter-only checkpoint or of a folder of `peft`
/// or `adapters`, together with their base model.
///
/// # Errors
/// If a file is missing or damaged, the architecture is not supported, any tensor of the encoder
/// is missing or does not fit, or a base model is not found; all such tensors are named.
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

/// Loads what stands on a base, and the base.
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
            adapter_only::load(&folder.path, &index, head, load_base, device)
        }
        FolderKind::Adapter { json, base } => {
            base_folder(folder)?;
            adapter_folder::load(&folder.path, &json, &base, head, load_base, device)
        }
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
