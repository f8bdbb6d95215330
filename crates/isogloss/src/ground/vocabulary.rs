//! The vocabulary check: a tokenizer's token ids against the rows of a model's embedding matrix.

use std::path::Path;

use isogloss_model::EncoderConfig;
use isogloss_text::Tokenizer;

use crate::Error;

/// Fails if the tokenizer knows tokens that the model has no embedding for.
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
