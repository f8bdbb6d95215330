//! Files beside a model that tell how its texts are tokenized.

use std::path::Path;

use crate::Error;
use crate::error::io;

/// The file of a folder that says that its vocabulary was trimmed; it goes where the tokenizer goes.
pub(crate) const TRIM_NOTE: &str = "trimmed.json";

/// Copies what `transformers` needs to tokenize as the model was trained.
pub(crate) fn copy_tokenizer(from: &Path, to: &Path) -> Result<(), Error> {
    for name in [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
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
