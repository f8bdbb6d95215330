//! Tokenizer files of a model folder.

use std::path::Path;

use crate::Error;
use crate::error::io;

/// The metadata file of a trimmed vocabulary, which is copied with the tokenizer.
pub(crate) const TRIM_NOTE: &str = "trimmed.json";

/// Copies the tokenizer files that Hugging Face `transformers` reads.
pub(crate) fn copy_tokenizer(from: &Path, to: &Path) -> Result<(), Error> {
    for name in [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "sentencepiece.bpe.model",
        "vocab.txt",
        TRIM_NOTE,
    ] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).map_err(io(to.join(name)))?;
        }
    }
    Ok(())
}
