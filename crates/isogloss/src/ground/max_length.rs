//! Maximum sequence length of a model's texts, where nobody gives one, and where one is given.

use isogloss_model::EncoderConfig;
use isogloss_text::Tokenizer;

/// Maximum sequence length of a model folder in tokens: the smaller of the tokenizer's
/// `model_max_length` and the position embeddings.
pub(crate) fn folder_max_length(tokenizer: &Tokenizer, config: &EncoderConfig) -> usize {
    tokenizer.model_max_length().map_or(config.max_tokens(), |limit| limit.min(config.max_tokens()))
}

/// Maximum sequence length of a recipe's texts: the given one, else `default` within the
/// [`folder_max_length`]; both within the position embeddings.
pub(crate) fn recipe_max_length(
    given: Option<usize>,
    default: usize,
    tokenizer: &Tokenizer,
    config: &EncoderConfig,
) -> usize {
    match given {
        Some(given) => given.min(config.max_tokens()),
        None => default.min(folder_max_length(tokenizer, config)),
    }
}
