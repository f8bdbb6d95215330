//! Code layout checks: import cycles among the modules of a crate, long functions, long files.

mod circles;
mod modules;
mod names;
mod sizes;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Checks every crate but this one for import cycles, every library for long functions and every
/// crate for long files, and reports all faults at once.
pub(crate) fn layout() -> Result<()> {
    let faults = faults()?;
    ensure!(faults.is_empty(), "faults:\n{}", faults.join("\n"));
    Ok(())
}

/// Layout faults of all crates, in the order of the crates.
pub(crate) fn faults() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for folder in entries(Path::new("crates"))? {
        let source = folder.join("src");
        let [library, program] = ["lib.rs", "main.rs"].map(|name| source.join(name));
        let is_library = library.is_file();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if name != "xtask" && (is_library || program.is_file()) {
            let root = if is_library { library } else { program };
            let modules = modules::Modules::read(&root)?;
            faults.extend(circles::circles(&name, &modules));
        }
        for file in sources(&source)? {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            faults.extend(sizes::faults(&file, &text, is_library)?);
        }
    }
    Ok(faults)
}

/// Rust source files below a folder; none if the folder does not exist.
pub(crate) fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if folder.is_dir() {
        for path in entries(folder)? {
            if path.is_dir() {
                found.extend(sources(&path)?);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths =
        read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    Ok(paths)
}
