//! Modules of a sentence-transformers folder beside its encoder: pooling, dense layers, settings.

use std::fs;
use std::path::Path;

use isogloss_methods::SentenceEmbedding;
use isogloss_model::{
    ModelFolder, Pooling, SentenceModules, SentencePooling, sentence_module_files,
    sentence_modules_folder,
};
use serde_json::{Value, json};

use crate::Error;
use crate::error::{io, json as json_error};

/// File with the prompts, similarity function and library versions.
const LIBRARY_CONFIG: &str = "config_sentence_transformers.json";

/// Whether the modules of a folder make the sentence embedding that an objective reads, of a model
/// with this many layers. Normalization does not count, because embeddings are compared by cosine.
pub(crate) fn make_embedding(
    modules: &SentenceModules,
    embedding: &SentenceEmbedding,
    n_layers: usize,
) -> bool {
    let pooling = match embedding.pooling {
        Pooling::Mean => SentencePooling::Mean,
        Pooling::FirstToken => SentencePooling::Cls,
    };
    pooling == modules.pooling.unwrap_or_default()
        && embedding.layer.unwrap_or(n_layers) == modules.layer.unwrap_or(n_layers)
        && modules.dense.is_empty()
        && modules.truncate_dim.is_none()
        && !modules.do_lower_case
}

/// Whether a sentence embedding is of the last layer.
pub(crate) fn is_last(embedding: &SentenceEmbedding, n_layers: usize) -> bool {
    embedding.layer.is_none_or(|layer| layer == n_layers)
}

/// Copies the sentence-transformers modules of a model, its own or those of its base, to a folder that
/// has the encoder in its root; copies nothing if there are none.
pub(crate) fn copy_sentence_modules(model: &ModelFolder, to: &Path) -> Result<(), Error> {
    let Some(from) = sentence_modules_folder(model)? else { return Ok(()) };
    let Some(files) = sentence_module_files(&from)? else { return Ok(()) };
    let modules = to.join("modules.json");
    let bytes = serde_json::to_vec_pretty(&files.modules_json).map_err(json_error(&modules))?;
    fs::write(&modules, bytes).map_err(io(&modules))?;
    let settings = files.settings.and_then(|path| Some((path.file_name()?.to_owned(), path)));
    let library = (LIBRARY_CONFIG.into(), from.join(LIBRARY_CONFIG));
    for (name, path) in settings.into_iter().chain([library]) {
        if path.exists() {
            fs::copy(&path, to.join(name)).map_err(io(&path))?;
        }
    }
    // A module without files, such as Normalize, has an empty folder or none.
    let inner = files.folders.iter().filter(|inner| from.join(inner).is_dir());
    inner.into_iter().try_for_each(|inner| copy_folder(&from.join(inner), &to.join(inner)))
}

/// Sets the maximum sequence length of sentence embeddings in a folder that has the encoder in its
/// root; a folder without modules becomes one of mean pooling over hidden states of this width.
pub(crate) fn write_max_seq_length(
    folder: &Path,
    max_length: usize,
    width: usize,
) -> Result<(), Error> {
    let write = |name: &str, value: &Value| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(io(&path))?;
        fs::write(&path, serde_json::to_vec_pretty(value).map_err(json_error(&path))?)
            .map_err(io(&path))
    };
    let settings = match sentence_module_files(folder)? {
        Some(files) => files.settings,
        None => {
            let module = |idx: usize, path: &str, kind: &str| {
                let kind = format!("sentence_transformers.models.{kind}");
                json!({ "idx": idx, "name": idx.to_string(), "path": path, "type": kind })
            };
            let modules = [module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
            write("modules.json", &json!(modules))?;
            let mean =
                json!({ "word_embedding_dimension": width, "pooling_mode_mean_tokens": true });
            write("1_Pooling/config.json", &mean)?;
            None
        }
    };
    let path = settings.unwrap_or_else(|| folder.join("sentence_bert_config.json"));
    let mut value = json!({ "do_lower_case": false });
    if path.exists() {
        let bytes = fs::read(&path).map_err(io(&path))?;
        value = serde_json::from_slice(&bytes).map_err(json_error(&path))?;
    }
    value["max_seq_length"] = max_length.into();
    write(&path.file_name().unwrap_or_default().to_string_lossy(), &value)
}

/// Sets the layer that sentence embeddings are pooled from, in a folder with modules; `None` for the
/// last.
pub(crate) fn write_sentence_layer(folder: &Path, layer: Option<usize>) -> Result<(), Error> {
    let Some(mut files) = sentence_module_files(folder)? else { return Ok(()) };
    files.set_layer(layer);
    let path = folder.join("modules.json");
    let bytes = serde_json::to_vec_pretty(&files.modules_json).map_err(json_error(&path))?;
    fs::write(&path, bytes).map_err(io(&path))
}

/// Copies a folder with all that it holds.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(io(to))?;
    for entry in fs::read_dir(from).map_err(io(from))? {
        let path = entry.map_err(io(from))?.path();
        let copy = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).map_err(io(&path))?;
        }
    }
    Ok(())
}
