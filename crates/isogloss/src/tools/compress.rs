//! Quantization of a saved model: its weights stored in 16 or 8 bits.

use std::path::Path;

use isogloss_model::{Storage, StoredModel, tokenizer_folder};

use super::model_folder::{check_whole, copy_language_files, copy_unchanged, weight_bytes};
use crate::Error;
use crate::ground::files::replace_folder;
use crate::ground::tokenizer_files::copy_tokenizer;

/// Quantization: writes the model of `folder` to `out` with its weights stored as `storage`;
/// returns the size of the weights in bytes, before and after.
///
/// # Errors
/// If a file cannot be read or written, `folder` holds an adapter-only checkpoint, or a weight does
/// not fit into the storage format.
pub fn compress(folder: &Path, storage: Storage, out: &Path) -> Result<[u64; 2], Error> {
    check_whole(folder)?;
    let stored = StoredModel::read(folder, None)?;
    replace_folder(out, |out| {
        stored.write(out, storage)?;
        copy_tokenizer(&tokenizer_folder(folder)?, out)?;
        copy_language_files(folder, out)?;
        copy_unchanged(folder, out)
    })?;
    Ok([weight_bytes(folder)?, weight_bytes(out)?])
}
