//! Model files: the weights and settings of a model folder and of its base models, and their fingerprints.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder_with_base::ModelFolder;
use super::model_folder::{base_folder, base_model};
use super::sentence_transformers::sentence_module_files;
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
    fn is_settings(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "json")
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

fn entries(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let io = |source| LoadError::Io { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(io)?;
    entries.map(|entry| Ok(entry.map_err(io)?.path())).collect()
}

/// Weight fingerprints of a model: of each of its weight files and of those of its base models, by the
/// name of the file, after `base/` for each level.
///
/// # Errors
/// As [`model_files`], or if a file cannot be read.
pub fn weight_fingerprints(
    model: &ModelFolder,
) -> Result<BTreeMap<String, Fingerprint>, LoadError> {
    let files = model_files(model)?.into_iter().filter(|file| !file.is_settings());
    let fingerprint = |file: ModelFile| {
        let fingerprint = Fingerprint::from_file(&file.path);
        let fingerprint =
            fingerprint.map_err(|source| LoadError::Io { path: file.path.clone(), source })?;
        Ok((format!("{}{}", "base/".repeat(file.depth), file.name), fingerprint))
    };
    files.map(fingerprint).collect()
}

/// Fingerprint: size and content hash of a file or of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    n_bytes: u64,
    /// 64-bit FNV-1a hash, in hexadecimal digits.
    hash: String,
}

impl Fingerprint {
    /// Fingerprint of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { n_bytes: bytes.len() as u64, hash: format!("{:016x}", fnv_1a(FNV_OFFSET, bytes)) }
    }

    /// Content hash, in 16 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Reads a file and computes its fingerprint.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn from_file(path: &Path) -> std::io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        let (mut n_bytes, mut hash, mut bytes) = (0, FNV_OFFSET, vec![0; 1 << 16]);
        loop {
            let n = reader.read(&mut bytes)?;
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
