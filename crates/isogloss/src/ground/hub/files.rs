//! Which files make a model, and whether a folder of the cache has them all.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use super::error::HubError;
use super::source::is_plain;

/// Files without which a model cannot be used, besides the weights.
pub(super) const REQUIRED: [&str; 2] = ["config.json", "tokenizer.json"];
/// Files that are taken when the repository has them.
pub(super) const OPTIONAL: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];
/// The forms weights come in, the preferred one first.
pub(super) const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Whether a weights file is a list of shards.
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

/// The commit that the cache knows a branch or tag by.
pub(super) fn cached_commit(cache: &Cache, repo: &Repo) -> Option<String> {
    let reference = cache.path().join(repo.folder_name()).join("refs").join(repo.revision());
    let commit = fs::read_to_string(reference).ok()?.trim().to_owned();
    is_plain(&commit).then_some(commit)
}

fn missing_files(folder: &Path) -> Vec<String> {
    let has = |file: &str| folder.join(file).is_file();
    let mut missing: Vec<String> =
        REQUIRED.iter().filter(|file| !has(file)).map(|file| (*file).to_owned()).collect();
    match WEIGHTS.into_iter().find(|file| has(file)) {
        None => missing.push(WEIGHTS[0].to_owned()),
        Some(file) if is_index(file) => match shards(&folder.join(file)) {
            Ok(shards) => missing.extend(shards.into_iter().filter(|shard| !has(shard))),
            Err(_) => missing.push(file.to_owned()),
        },
        Some(_) => {}
    }
    missing
}
