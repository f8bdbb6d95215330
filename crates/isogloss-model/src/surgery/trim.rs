//! Vocabulary trimming of a checkpoint: keeps the embedding rows of selected tokens.

use serde_json::Value;

use super::tensor::StoredTensor;
use crate::EncoderConfig;
use crate::hf::TIED_LM_BIAS;

/// Names of the tensors with one row or element per token of the vocabulary.
pub(super) fn vocabulary_tensor_names(config: &EncoderConfig) -> Vec<String> {
    let family = config.family.spec();
    let embeddings = family.encoder_key("embeddings.token.weight");
    let decoder = family.lm_head.decoder;
    vec![
        format!("{}{embeddings}", family.prefix),
        embeddings,
        format!("{decoder}.weight"),
        format!("{decoder}.bias"),
        family.lm_head_key("lm_head.bias"),
        TIED_LM_BIAS.to_owned(),
    ]
}

/// Keeps these rows of a tensor, in this order; returns false if its number of rows is not the
/// vocabulary size.
pub(super) fn select_rows(tensor: &mut StoredTensor, rows: &[u32], vocab_size: usize) -> bool {
    if tensor.shape.first() != Some(&vocab_size) {
        return false;
    }
    let width = tensor.values.len() / vocab_size;
    let mut kept = Vec::with_capacity(rows.len() * width);
    for row in rows {
        let start = *row as usize * width;
        let Some(values) = tensor.values.get(start..start + width) else { return false };
        kept.extend_from_slice(values);
    }
    tensor.values = kept;
    tensor.shape[0] = rows.len();
    true
}

/// Updates `vocab_size` and the token IDs of a `config.json`; the new ID of a token is its index in
/// `rows`.
pub(super) fn remap_token_ids(config_json: &mut Value, rows: &[u32]) {
    for (field, value) in config_json.as_object_mut().into_iter().flatten() {
        if field == "vocab_size" {
            *value = rows.len().into();
        } else if field.ends_with("_token_id") {
            let new =
                value.as_u64().and_then(|id| rows.iter().position(|row| u64::from(*row) == id));
            *value = new.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_tokens_follow_their_rows() {
        let mut config = json!({ "vocab_size": 9, "pad_token_id": 1, "eos_token_id": 8, "cls_token_id": null, "bos_token_id": 4 });
        remap_token_ids(&mut config, &[0, 1, 5, 8]);
        let expected = json!({ "vocab_size": 4, "pad_token_id": 1, "eos_token_id": 3, "cls_token_id": null, "bos_token_id": null });
        assert_eq!(config, expected);
    }
}
