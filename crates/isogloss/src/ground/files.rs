//! Atomic writes: a file or folder is written beside its path, synced and renamed, so that a crash
//! at any moment leaves either the old state or the new one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::Error;
use crate::error::io;

/// Atomic file write: writes a temporary file beside the path, syncs it, and renames it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io(&temporary))?;
    fs::rename(&temporary, path).map_err(io(path))?;
    sync_parent(path)
}

/// Atomic folder replacement: fills a temporary folder beside the path, syncs it, and renames it.
pub(crate) fn replace_folder(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let (temporary, old) = (path.with_extension("partial"), path.with_extension("old"));
    recover_folder(path)?;
    fs::create_dir_all(&temporary).map_err(io(&temporary))?;
    let filled = fill(&temporary);
    if filled.is_err() {
        // The error of `fill` is reported, not one of the clean-up.
        _ = fs::remove_dir_all(&temporary);
        return filled;
    }
    sync_folder(&temporary)?;
    if path.exists() {
        fs::rename(path, &old).map_err(io(path))?;
    }
    fs::rename(&temporary, path).map_err(io(path))?;
    sync_parent(path)?;
    remove_folder(&old)
}

/// Crash recovery of [`replace_folder`]: restores the old folder after a crash between the two
/// renames, and removes an unfinished temporary folder.
pub(crate) fn recover_folder(path: &Path) -> Result<(), Error> {
    remove_folder(&path.with_extension("partial"))?;
    let old = path.with_extension("old");
    if !old.exists() {
        return Ok(());
    }
    if path.exists() {
        return remove_folder(&old);
    }
    fs::rename(&old, path).map_err(io(path))
}

/// Crash-safe folder removal: renames the folder to a temporary name before it removes it, so that
/// no partly removed folder is taken for a complete one.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Error> {
    let aside = path.with_extension("partial");
    unless_absent(fs::remove_dir_all(&aside)).map_err(io(&aside))?;
    if path.exists() {
        fs::rename(path, &aside).map_err(io(path))?;
    }
    unless_absent(fs::remove_dir_all(&aside)).map_err(io(&aside))
}

/// Removes a file if it is there.
pub(crate) fn remove_file(path: &Path) -> Result<(), Error> {
    unless_absent(fs::remove_file(path)).map_err(io(path))
}

fn unless_absent(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

/// Syncs the entries of a folder to disk (fsync), on Unix; elsewhere folders cannot be synced.
fn sync_folder(path: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(io(path))?;
    }
    Ok(())
}
