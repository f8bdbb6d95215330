//! The fingerprint of a run's data: a hash of the contents of every data file that it reads, so that a run is
//! not resumed with other data under the same recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use isogloss_text::{Language, LanguagePattern, TextError};
use serde::{Deserialize, Serialize};

use super::folder::{DATA_FILES, RunFolder, RunStatus};
use crate::error::{RunError, io, json};
use crate::recipe::{AlignerRecipe, UnseenLanguage};
use crate::{Error, Plan};

/// The contents of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    n_bytes: u64,
    /// FNV-1a of 64 bits, in hexadecimal digits.
    hash: String,
}

/// Fails if a data file is not what it was when the run began, and records them for a run that begins. A
/// run that was begun without a record goes on, and gets one.
pub(super) fn check(plan: &Plan, run: &RunFolder) -> Result<(), Error> {
    let path = run.path().join(DATA_FILES);
    let status = run.status()?;
    let is_done = matches!(status, RunStatus::Done(_));
    let recorded = status != RunStatus::New && path.exists();
    if !recorded && is_done {
        return Ok(());
    }
    let now = fingerprints(plan)?;
    if !recorded {
        return run.write_json(DATA_FILES, &now);
    }
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let then: BTreeMap<String, Fingerprint> =
        serde_json::from_slice(&bytes).map_err(json(&path))?;
    let mut changed: Vec<String> = Vec::new();
    for (file, fingerprint) in &then {
        match now.get(file) {
            Some(now) if now != fingerprint => changed.push(format!("{file} has changed")),
            // The results of a run are good without its data.
            None if !is_done => changed.push(format!("{file} is gone")),
            _ => {}
        }
    }
    let is_new = |file: &&String| !then.contains_key(*file);
    changed.extend(now.keys().filter(is_new).map(|file| format!("{file} was not there")));
    if changed.is_empty() {
        return Ok(());
    }
    Err(RunError::OtherData { changed, record: path }.into())
}

/// The data files of a plan that there are, by path. That of its `pretrain_recipe` is a run of its own.
pub(super) fn paths(plan: &Plan) -> Result<BTreeSet<PathBuf>, Error> {
    let recipe = plan.recipe();
    let mut paths = BTreeSet::new();
    if recipe.task.is_labeled() {
        paths.extend(crate::data::paths_of(plan)?);
    }
    if let Some(pairs) = &recipe.pairs {
        let languages = pairs.languages.with_files(&pairs.path)?;
        let (also, back) = match &pairs.aligner {
            Some(AlignerRecipe::Dictionary { path, reverse_path, .. }) => {
                (Some(path), reverse_path.as_ref())
            }
            Some(AlignerRecipe::Pharaoh { path }) => (Some(path), None),
            Some(AlignerRecipe::Statistical {}) | None => (None, None),
        };
        for pattern in [Some(&pairs.path), also, back].into_iter().flatten() {
            paths.extend(found(pattern, &languages)?);
        }
    }
    if let Some(texts) = &recipe.monolingual {
        paths.extend(found(&texts.path, &texts.languages()?)?);
    }
    if let Some(view) = &recipe.views.code_switched {
        paths.extend(found(&view.dictionaries, &view.languages)?);
    }
    if let Some(view) = &recipe.views.translated {
        paths.extend(found(&view.path, &view.languages)?);
    }
    if let Some(table) = &recipe.subnetworks {
        let pattern = table.path.with_seed(recipe.seed);
        paths.extend(plan.sources().iter().map(|source| pattern.path(source)));
        if let UnseenLanguage::Nearest { distances } = &table.unseen {
            paths.insert(distances.into());
        }
    }
    // Who reads a file says that it is missing, and why it is wanted.
    paths.retain(|path| path.is_file());
    Ok(paths)
}

fn found(pattern: &LanguagePattern, languages: &[Language]) -> Result<Vec<PathBuf>, TextError> {
    languages.iter().map(|language| pattern.find(language)).collect()
}

fn fingerprints(plan: &Plan) -> Result<BTreeMap<String, Fingerprint>, Error> {
    let fingerprint =
        |path: PathBuf| Ok((path.display().to_string(), Fingerprint::from_file(&path)?));
    paths(plan)?.into_iter().map(fingerprint).collect()
}

impl Fingerprint {
    fn from_file(path: &Path) -> Result<Self, Error> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(io(path))?);
        let (mut n_bytes, mut hash, mut bytes) = (0, FNV_OFFSET, vec![0; 1 << 16]);
        loop {
            let n = reader.read(&mut bytes).map_err(io(path))?;
            if n == 0 {
                return Ok(Self { n_bytes, hash: format!("{hash:016x}") });
            }
            n_bytes += n as u64;
            hash = fnv_1a(hash, &bytes[..n]);
        }
    }
}

/// The hash of no bytes.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash function FNV-1a of 64 bits (Fowler, Noll and Vo; RFC 9923), from the hash of what came before.
fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        for (bytes, expected) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv_1a(FNV_OFFSET, bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
