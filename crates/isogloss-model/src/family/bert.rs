//! BERT: the names that the other families vary.

use serde_json::Value;

use super::{Family, split_layer};
use crate::config::Fields;
use crate::{EncoderConfig, Pruning};

pub(super) fn read_config(json: &Value) -> Result<EncoderConfig, String> {
    let fields = Fields(json);
    fields.expect("hidden_act", "gelu")?;
    fields.expect("position_embedding_type", "absolute")?;
    let hidden_dropout_prob = fields.number_or("hidden_dropout_prob", 0.1)?;
    let head_dropout_prob = fields.number_or("classifier_dropout", hidden_dropout_prob)?;
    Ok(EncoderConfig {
        family: Family::Bert,
        vocab_size: fields.size("vocab_size")?,
        hidden_size: fields.size("hidden_size")?,
        num_hidden_layers: fields.size("num_hidden_layers")?,
        num_attention_heads: fields.size("num_attention_heads")?,
        intermediate_size: fields.size("intermediate_size")?,
        max_position_embeddings: fields.size("max_position_embeddings")?,
        type_vocab_size: fields.size_or("type_vocab_size", 2)?,
        layer_norm_eps: fields.number_or("layer_norm_eps", 1e-12)?,
        hidden_dropout_prob,
        attention_probs_dropout_prob: fields.number_or("attention_probs_dropout_prob", 0.1)?,
        sequence_dropout_prob: head_dropout_prob,
        token_dropout_prob: head_dropout_prob,
        pad_token_id: fields.token_or("pad_token_id", 0)?,
        initializer_range: fields.number_or("initializer_range", 0.02)?,
        pruned: Pruning::default(),
    })
}

pub(super) fn encoder_module(module: &str) -> String {
    if let Some((layer, part)) = split_layer(module) {
        let part = match part {
            "attention.query" => "attention.self.query",
            "attention.key" => "attention.self.key",
            "attention.value" => "attention.self.value",
            "attention.output" => "attention.output.dense",
            "attention_norm" => "attention.output.LayerNorm",
            "feed_forward.up" => "intermediate.dense",
            "feed_forward.down" => "output.dense",
            "feed_forward_norm" => "output.LayerNorm",
            other => other,
        };
        return format!("encoder.layer.{layer}.{part}");
    }
    match module {
        "embeddings.token" => "embeddings.word_embeddings",
        "embeddings.position" => "embeddings.position_embeddings",
        "embeddings.token_type" => "embeddings.token_type_embeddings",
        "embeddings.norm" => "embeddings.LayerNorm",
        other => other,
    }
    .to_owned()
}
