//! The vocabulary check: a tokenizer's token ids against the rows of a model's embedding matrix.

use std::path::Path;

use isogloss_model::EncoderConfig;
use isogloss_text::Tokenizer;

use crate::Error;

/// Vocabulary check: fails if the tokenizer has more tokens than the embedding matrix has rows.
pub(crate) fn check_vocabulary(
    tokenizer: &Tokenizer,
    path: &Path,
    config: &EncoderConfig,
) -> Result<(), Error> {
    let (n_tokens, n_rows) = (tokenizer.vocab_size(), config.vocab_size);
    if n_tokens > n_rows {
        return Err(Error::Vocabulary { path: path.to_owned(), n_tokens, n_rows });
    }
    Ok(())
}
