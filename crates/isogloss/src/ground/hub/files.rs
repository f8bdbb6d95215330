//! Required and optional files of a model repository, and the check for them in the cache.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use super::error::HubError;
use super::source::is_plain;

/// List of the modules of a sentence-transformers repository.
pub(super) const MODULES: &str = "modules.json";

/// Folder of the encoder in the old layout of sentence-transformers, such as `0_Transformer/`, by
/// `modules.json`; empty if the encoder is in the root.
pub(super) fn encoder_folder(modules: &Path) -> Result<String, HubError> {
    #[derive(Deserialize)]
    struct Module {
        path: String,
        r#type: String,
    }
    let bad = |reason| HubError::BadIndex { path: modules.to_owned(), reason };
    let text = fs::read(modules).map_err(|source| HubError::from_io(source, modules))?;
    let list: Vec<Module> =
        serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let encoder = list.into_iter().find(|of| of.r#type.rsplit('.').next() == Some("Transformer"));
    match encoder.map(|module| module.path) {
        Some(path) if is_plain(&path) => Ok(format!("{path}/")),
        Some(path) if !path.is_empty() => {
            Err(bad(format!("expected a plain folder name, found {path:?}")))
        }
        Some(_) | None => Ok(String::new()),
    }
}

/// Optional files, downloaded if the repository has them.
pub(super) const OPTIONAL: [&str; 14] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    MODULES,
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
    "config_sentence_transformers.json",
    "head_config.json",
];

/// Required files of a repository.
pub(super) struct Needed {
    /// Files that are all required.
    pub(super) files: &'static [&'static str],
    /// Weight files of which one is required, in the order of preference.
    pub(super) weights: &'static [&'static str],
}

/// Required files of a whole model.
const MODEL: Needed = Needed {
    files: &["config.json", "tokenizer.json"],
    weights: &[
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ],
};

/// Required files of adapters of the `peft` or `adapters` library, without their base model.
const ADAPTER: Needed = Needed {
    files: &["adapter_config.json"],
    weights: &[
        "adapter_model.safetensors",
        "adapter_model.bin",
        "adapter.safetensors",
        "pytorch_adapter.bin",
    ],
};

/// The required files of a repository: of adapters if it has no model weights, else of a model.
pub(super) fn needed(has: impl Fn(&str) -> bool) -> Needed {
    let is_adapter = has(ADAPTER.files[0]) && !MODEL.weights.iter().any(|file| has(file));
    if is_adapter { ADAPTER } else { MODEL }
}

/// Whether a file belongs to a sentence-transformers module, such as `1_Pooling/config.json`.
pub(super) fn is_of_module(file: &str) -> bool {
    let Some((folder, name)) = file.split_once('/') else { return false };
    let files = ["config.json", "model.safetensors", "pytorch_model.bin"];
    let number = folder.split_once('_').map(|(number, _)| number);
    let is_number = number.is_some_and(|number| number.parse::<u8>().is_ok());
    is_number && is_plain(folder) && files.contains(&name)
}

/// Whether a weights file is an index of shards.
pub(super) fn is_index(file: &str) -> bool {
    file.ends_with(".index.json")
}

/// The shards that an index lists, in order of name.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>, HubError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    let bad = |reason| HubError::BadIndex { path: index.to_owned(), reason };
    let text = fs::read(index).map_err(|source| HubError::from_io(source, index))?;
    let parsed: Index = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let shards: BTreeSet<String> = parsed.weight_map.into_values().collect();
    if shards.is_empty() {
        return Err(bad("expected weight files, found none".to_owned()));
    }
    match shards.iter().find(|shard| !is_plain(shard)) {
        Some(shard) => Err(bad(format!("expected plain file names, found {shard:?}"))),
        None => Ok(shards),
    }
}

/// The folder of a revision in the cache, or the files it lacks.
pub(super) fn cached_snapshot(
    cache: &Cache,
    repo: &str,
    revision: &str,
) -> Result<PathBuf, Vec<String>> {
    let entry = Repo::with_revision(repo.to_owned(), RepoType::Model, revision.to_owned());
    let commit = cached_commit(cache, &entry).unwrap_or_else(|| revision.to_owned());
    let folder = cache.repo(entry).pointer_path(&commit);
    let missing = missing_files(&folder);
    if missing.is_empty() { Ok(folder) } else { Err(missing) }
}

/// The commit that the cache has recorded for a branch or tag.
pub(super) fn cached_commit(cache: &Cache, repo: &Repo) -> Option<String> {
    let reference = cache.path().join(repo.folder_name()).join("refs").join(repo.revision());
    let commit = fs::read_to_string(reference).ok()?.trim().to_owned();
    is_plain(&commit).then_some(commit)
}

fn missing_files(root: &Path) -> Vec<String> {
    let modules = root.join(MODULES);
    let inner = match modules.is_file().then(|| encoder_folder(&modules)) {
        Some(Ok(inner)) => inner,
        Some(Err(_)) => return vec![MODULES.to_owned()],
        None => String::new(),
    };
    let folder = root.join(&inner);
    let has = |file: &str| folder.join(file).is_file();
    let Needed { files, weights } = needed(has);
    let mut missing: Vec<String> =
        files.iter().filter(|file| !has(file)).map(|file| (*file).to_owned()).collect();
    match weights.iter().find(|file| has(file)) {
        None => missing.push(weights[0].to_owned()),
        Some(file) if is_index(file) => match shards(&folder.join(file)) {
            Ok(shards) => missing.extend(shards.into_iter().filter(|shard| !has(shard))),
            Err(_) => missing.push((*file).to_owned()),
        },
        Some(_) => {}
    }
    missing.into_iter().map(|file| inner.clone() + &file).collect()
}
