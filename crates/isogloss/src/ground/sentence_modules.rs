//! Modules of a sentence-transformers folder beside its encoder: pooling, dense layers, settings.

use std::fs;
use std::path::Path;

use isogloss_model::sentence_module_files;

use crate::Error;
use crate::error::{io, json};

/// File with the prompts, similarity function and library versions.
const LIBRARY_CONFIG: &str = "config_sentence_transformers.json";

/// Copies the modules of a sentence-transformers folder to one that has the encoder in its root;
/// copies nothing of other folders.
pub(crate) fn copy_sentence_modules(from: &Path, to: &Path) -> Result<(), Error> {
    let Some(files) = sentence_module_files(from)? else { return Ok(()) };
    let modules = to.join("modules.json");
    let bytes = serde_json::to_vec_pretty(&files.modules_json).map_err(json(&modules))?;
    fs::write(&modules, bytes).map_err(io(&modules))?;
    let settings = files.settings.and_then(|path| Some((path.file_name()?.to_owned(), path)));
    let library = (LIBRARY_CONFIG.into(), from.join(LIBRARY_CONFIG));
    for (name, path) in settings.into_iter().chain([library]) {
        if path.exists() {
            fs::copy(&path, to.join(name)).map_err(io(&path))?;
        }
    }
    // A module without files, such as Normalize, has an empty folder or none.
    let inner = files.folders.iter().filter(|inner| from.join(inner).is_dir());
    inner.into_iter().try_for_each(|inner| copy_folder(&from.join(inner), &to.join(inner)))
}

/// Copies a folder with all that it holds.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(io(to))?;
    for entry in fs::read_dir(from).map_err(io(from))? {
        let path = entry.map_err(io(from))?.path();
        let copy = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).map_err(io(&path))?;
        }
    }
    Ok(())
}
