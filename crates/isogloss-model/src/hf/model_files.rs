//! Model files: the weights and settings of a model folder and of its base models, and their fingerprints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprint;
use super::folder_with_base::ModelFolder;
use super::model_folder::{base_folder, base_model};
use super::sentence_transformers::{SentenceModules, read_sentence_modules, sentence_module_files};
use crate::LoadError;

/// Subfolders of an adapter-only checkpoint that have a folder for each adapter.
const ADAPTER_FOLDERS: [&str; 3] = ["adapters", "peft", "lora"];

/// Model file: a file with weights or settings of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// 0 for a file of the model folder, 1 for one of the base model that its adapters were added to, 2
    /// for one of the base of that base, and so on.
    pub depth: usize,
    /// Path relative to its model folder.
    pub name: String,
    /// Path.
    pub path: PathBuf,
}

impl ModelFile {
    /// Whether the file decides what the model computes.
    fn decides(&self) -> bool {
        let name = self.name.as_str();
        let is_json = self.path.extension().is_some_and(|extension| extension == "json");
        if is_json { SETTINGS.contains(&name) } else { !OF_TRAINING.contains(&name) }
    }
}

/// Model files: the weight files (`.safetensors`, else `.bin`) and JSON files of a model folder with its
/// adapters and sentence-transformers modules, then those of its base models.
///
/// # Errors
/// If a base model is not found, or a folder cannot be read.
pub fn model_files(model: &ModelFolder) -> Result<Vec<ModelFile>, LoadError> {
    let whole = base_folder(model)?;
    let (mut files, mut next, mut depth) = (Vec::new(), Some(model.clone()), 0);
    while let Some(folder) = next {
        next = base_model(&folder)?.map(|base| base.folder);
        let path = if next.is_none() { whole.clone() } else { folder.path };
        let mut folders = vec![path.clone()];
        for library in ADAPTER_FOLDERS.map(|library| path.join(library)) {
            if next.is_some() && library.is_dir() {
                folders.extend(entries(&library)?.into_iter().filter(|path| path.is_dir()));
            }
        }
        let modules = sentence_module_files(&path)?;
        let inner = modules.into_iter().flat_map(|modules| modules.folders);
        folders.extend(inner.map(|inner| path.join(inner)).filter(|inner| inner.is_dir()));
        for folder in &folders {
            let all = entries(folder)?;
            let with_extension = |end: &str| -> Vec<&PathBuf> {
                all.iter().filter(|path| path.extension().is_some_and(|e| e == end)).collect()
            };
            let weights = Some(with_extension("safetensors")).filter(|found| !found.is_empty());
            let weights = weights.unwrap_or_else(|| with_extension("bin"));
            files.extend(weights.into_iter().chain(with_extension("json")).map(|file| ModelFile {
                depth,
                name: file.strip_prefix(&path).unwrap_or(file).display().to_string(),
                path: file.clone(),
            }));
        }
        depth += 1;
    }
    Ok(files)
}

/// Folder with the sentence-transformers modules of a model: its own, else that of the base model that its
/// adapters were added to; `None` if neither is of sentence-transformers.
///
/// # Errors
/// If a base model is not found.
pub fn sentence_modules_folder(model: &ModelFolder) -> Result<Option<PathBuf>, LoadError> {
    let mut next = Some(model.clone());
    while let Some(folder) = next {
        if sentence_module_files(&folder.path)?.is_some() {
            return Ok(Some(folder.path));
        }
        next = base_model(&folder)?.map(|base| base.folder);
    }
    Ok(None)
}

/// Sentence embedding pipeline of a model, of its [`sentence_modules_folder`].
///
/// # Errors
/// As [`read_sentence_modules`], or if a base model is not found.
pub fn find_sentence_modules(model: &ModelFolder) -> Result<Option<SentenceModules>, LoadError> {
    match sentence_modules_folder(model)? {
        Some(folder) => read_sentence_modules(&folder),
        None => Ok(None),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let io = |source| LoadError::Io { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(io)?;
    entries.map(|entry| Ok(entry.map_err(io)?.path())).collect()
}

/// Settings that decide what a model computes from a text.
const SETTINGS: [&str; 3] = ["config.json", "tokenizer.json", "tokenizer_config.json"];

/// Files that a training program leaves beside `.bin` weights.
const OF_TRAINING: [&str; 3] = ["training_args.bin", "optimizer.bin", "scheduler.bin"];

/// Fingerprints of the files that decide what a model computes: weights, configuration and tokenizer, with
/// those of its base models, by the name of the file, after `base/` for each level.
///
/// # Errors
/// As [`model_files`], or if a file cannot be read.
pub fn model_fingerprints(model: &ModelFolder) -> Result<BTreeMap<String, Fingerprint>, LoadError> {
    let files = model_files(model)?.into_iter().filter(ModelFile::decides);
    let fingerprint = |file: ModelFile| {
        let fingerprint = Fingerprint::from_file(&file.path);
        let fingerprint =
            fingerprint.map_err(|source| LoadError::Io { path: file.path.clone(), source })?;
        Ok((format!("{}{}", "base/".repeat(file.depth), file.name), fingerprint))
    };
    files.map(fingerprint).collect()
}
