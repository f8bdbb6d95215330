//! Data fingerprint: a hash of every data file that a run reads, and of the files of its model, so that
//! the run is not resumed with others under the same recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use isogloss_model::{ModelFolder, base_folder, base_model, sentence_module_files};
use isogloss_text::{Language, LanguagePattern, TextError};
use serde::{Deserialize, Serialize};

use super::event::RunOptions;
use super::folder::{DATA_FILES, RunFolder, RunStatus};
use crate::error::{RunError, io, json};
use crate::recipe::{AlignerRecipe, LanguageExchange, UnseenLanguage};
use crate::{Error, Plan};

/// File fingerprint: size and content hash of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    n_bytes: u64,
    /// 64-bit FNV-1a hash, in hexadecimal digits.
    hash: String,
}

/// How files of the model end in a record, after their names: the folder may move.
const OF_MODEL: &str = " of the model";
/// The same of the base model that adapters lie on.
const OF_BASE: &str = " of the base model";

/// Data fingerprint check: fails if a data file has changed since the run began, or the model or the
/// teacher that `options` name, with the base model of adapters. Writes the fingerprints of a new run,
/// and of an unfinished run that has none.
pub(super) fn check(plan: &Plan, run: &RunFolder, options: &RunOptions<'_>) -> Result<(), Error> {
    let path = run.path().join(DATA_FILES);
    let status = run.status()?;
    let is_done = matches!(status, RunStatus::Done(_));
    let recorded = status != RunStatus::New && path.exists();
    if !recorded && is_done {
        return Ok(());
    }
    let mut now = fingerprints(plan)?;
    let teacher = options.teacher_folder.as_ref().map(|folder| (folder, "teacher: "));
    for (folder, whose) in [(&options.model_folder, "")].into_iter().chain(teacher) {
        let files = match model_files(folder) {
            // The results of a finished run stay valid without its model.
            Err(_) if is_done => continue,
            files => files?,
        };
        for (name, path) in files {
            now.insert(format!("{whose}{name}"), Fingerprint::from_file(&path)?);
        }
    }
    if !recorded {
        return run.write_json(DATA_FILES, &now);
    }
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let then: BTreeMap<String, Fingerprint> =
        serde_json::from_slice(&bytes).map_err(json(&path))?;
    for of in [OF_MODEL, OF_BASE] {
        if !then.keys().any(|name| name.ends_with(of)) {
            // Of an earlier version, which recorded none.
            now.retain(|name, _| !name.ends_with(of));
        }
    }
    let mut changed: Vec<String> = Vec::new();
    for (file, fingerprint) in &then {
        match now.get(file) {
            Some(now) if now != fingerprint => changed.push(format!("{file} has changed")),
            // The results of a finished run stay valid without its data.
            None if !is_done => changed.push(format!("{file} is gone")),
            _ => {}
        }
    }
    let is_new = |file: &&String| !then.contains_key(*file);
    changed.extend(now.keys().filter(is_new).map(|file| format!("{file} is new")));
    if changed.is_empty() {
        return Ok(());
    }
    Err(RunError::OtherData { changed, record: path }.into())
}

/// The existing data files that a plan reads, in the order of their paths. Those of its
/// `pretrain_recipe` belong to a run of their own.
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
            Some(AlignerRecipe::Statistical(_) | AlignerRecipe::Encoder(_)) | None => (None, None),
        };
        for pattern in [Some(&pairs.path), also, back].into_iter().flatten() {
            paths.extend(found(pattern, &languages)?);
        }
    }
    if let Some(texts) = &recipe.monolingual {
        paths.extend(found(&texts.path, &texts.languages()?)?);
    }
    if let Some(texts) = &recipe.unlabeled {
        paths.extend(found(&texts.path, &texts.languages()?)?);
    }
    let of_source = |source| recipe.views.for_source(source, plan.sources());
    for views in plan.sources().iter().map(of_source).chain(plan.views_by_language()?) {
        if let Some(view) = &views.code_switched {
            paths.extend(found(&view.dictionaries, &view.languages)?);
        }
        if let Some(view) = &views.translated {
            paths.extend(found(&view.path, &view.languages)?);
        }
    }
    if let (Some(table), [first, others @ ..]) = (&recipe.language_adapter, plan.sources()) {
        // Checkpoints hold the adapter of the first source; a resumed run reads the others again.
        let mut languages = others.to_vec();
        if table.evaluation == LanguageExchange::Target {
            languages.extend(crate::data::languages_of(plan)?);
        }
        languages.retain(|language| language != first);
        let folders = languages.iter().map(|language| table.path.path(language));
        for folder in folders.filter(|folder| folder.is_dir()) {
            paths.extend(entries(&folder)?);
        }
    }
    if let Some(table) = &recipe.centring {
        let files = table.files(plan.sources(), std::iter::empty(), true)?;
        paths.extend(files.into_iter().map(|(_, path)| path));
    }
    if let Some(table) = &recipe.subnetworks {
        paths.extend(plan.sources().iter().flat_map(|source| table.files(recipe.seed, source)));
        if let UnseenLanguage::Nearest { distances } = &table.unseen {
            paths.insert(distances.into());
        }
    }
    // Whatever reads a missing file reports it, with the reason why it is needed.
    paths.retain(|path| path.is_file());
    Ok(paths)
}

/// The weights and settings of a model folder, and of the base models that a folder of adapters stands
/// on, each with its name in the record.
fn model_files(model: &ModelFolder) -> Result<Vec<(String, PathBuf)>, Error> {
    let whole = base_folder(model)?;
    let (mut files, mut next, mut of) = (Vec::new(), Some(model.clone()), OF_MODEL.to_owned());
    while let Some(folder) = next {
        next = base_model(&folder)?.map(|base| base.folder);
        let path = if next.is_none() { whole.clone() } else { folder.path };
        let mut folders = vec![path.clone()];
        for library in ["adapters", "peft", "lora"].map(|library| path.join(library)) {
            if next.is_some() && library.is_dir() {
                folders.extend(entries(&library)?.into_iter().filter(|path| path.is_dir()));
            }
        }
        let modules = sentence_module_files(&path)?;
        let inner = modules.into_iter().flat_map(|modules| modules.folders);
        folders.extend(inner.map(|inner| path.join(inner)).filter(|inner| inner.is_dir()));
        for folder in &folders {
            let all = entries(folder)?;
            let of_type = |end: &str| -> Vec<&PathBuf> {
                all.iter().filter(|path| path.extension().is_some_and(|e| e == end)).collect()
            };
            let weights = Some(of_type("safetensors")).filter(|found| !found.is_empty());
            let weights = weights.unwrap_or_else(|| of_type("bin"));
            for file in weights.into_iter().chain(of_type("json")) {
                let name = file.strip_prefix(&path).unwrap_or(file).display();
                files.push((format!("{name}{of}"), file.clone()));
            }
        }
        of = of.replace(OF_MODEL, "") + OF_BASE;
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(io(folder))?;
    entries.map(|entry| Ok(entry.map_err(io(folder))?.path())).collect()
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

/// FNV-1a offset basis: the hash of no bytes.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// 64-bit FNV-1a hash (Fowler, Noll and Vo; RFC 9923), continued from the hash of the preceding
/// bytes.
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
