//! JSON files: reading, parsing and writing.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::{LoadError, SaveError};

/// Reads a JSON file.
pub(super) fn read_json(path: &Path) -> Result<Value, LoadError> {
    let bytes =
        std::fs::read(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    parse_json(&bytes, path)
}

/// Parses JSON bytes; `path` is used in messages.
pub(super) fn parse_json(bytes: &[u8], path: &Path) -> Result<Value, LoadError> {
    serde_json::from_slice(bytes)
        .map_err(|source| LoadError::Json { path: path.to_owned(), source })
}

/// Writes an indented JSON file.
pub(crate) fn write_json(path: &Path, json: &Value) -> Result<(), SaveError> {
    let pretty = serde_json::to_string_pretty(json).expect("a JSON value is printable");
    write_file(path, pretty.as_bytes())
}

/// Writes a file and syncs it to disk.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| SaveError::Io { path: path.to_owned(), source })
}
