//! Metrics log of a run, as JSON Lines: one JSON object per line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::error::io;

/// Metrics log of a run, as JSON Lines.
pub(super) struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the log and truncates it to `len` bytes, its length at the checkpoint.
    pub(super) fn open(path: PathBuf, len: u64) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|file| {
                // Setting a greater length would fill the file with zeros.
                if file.metadata()?.len() > len {
                    file.set_len(len)?;
                }
                Ok(file)
            })
            .map_err(io(&path))?;
        Ok(Self { path, file })
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(line).expect("these types are printable");
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(io(&self.path))
    }

    /// Syncs the log to disk (fsync) and returns its length in bytes.
    pub(super) fn sync(&mut self) -> Result<u64, Error> {
        let sync = || {
            self.file.sync_all()?;
            self.file.metadata()
        };
        sync().map(|metadata| metadata.len()).map_err(io(&self.path))
    }
}

/// Adds the fields of `more` to a JSON object.
pub(super) fn extend(line: &mut Value, more: &impl Serialize) {
    let more = serde_json::to_value(more).expect("these types are printable");
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
}
