//! DistilBERT: other field and tensor names, no segments.

use serde_json::Value;

use super::{Family, split_layer};
use crate::config::Fields;
use crate::{EncoderConfig, Pruning};

/// Fixed in the architecture, not in `config.json`.
const LAYER_NORM_EPS: f64 = 1e-12;

pub(super) fn read_config(json: &Value) -> Result<EncoderConfig, String> {
    let fields = Fields(json);
    fields.expect("activation", "gelu")?;
    let hidden_dropout_prob = fields.number_or("dropout", 0.1)?;
    Ok(EncoderConfig {
        family: Family::DistilBert,
        vocab_size: fields.size("vocab_size")?,
        hidden_size: fields.size("dim")?,
        num_hidden_layers: fields.size("n_layers")?,
        num_attention_heads: fields.size("n_heads")?,
        intermediate_size: fields.size("hidden_dim")?,
        max_position_embeddings: fields.size("max_position_embeddings")?,
        type_vocab_size: 0,
        layer_norm_eps: LAYER_NORM_EPS,
        hidden_dropout_prob,
        attention_probs_dropout_prob: fields.number_or("attention_dropout", 0.1)?,
        sequence_dropout_prob: fields.number_or("seq_classif_dropout", 0.2)?,
        token_dropout_prob: hidden_dropout_prob,
        pad_token_id: fields.token_or("pad_token_id", 0)?,
        initializer_range: fields.number_or("initializer_range", 0.02)?,
        pruned: Pruning::default(),
    })
}

pub(super) fn encoder_module(module: &str) -> String {
    if let Some((layer, part)) = split_layer(module) {
        let part = match part {
            "attention.query" => "attention.q_lin",
            "attention.key" => "attention.k_lin",
            "attention.value" => "attention.v_lin",
            "attention.output" => "attention.out_lin",
            "attention_norm" => "sa_layer_norm",
            "feed_forward.up" => "ffn.lin1",
            "feed_forward.down" => "ffn.lin2",
            "feed_forward_norm" => "output_layer_norm",
            other => other,
        };
        return format!("transformer.layer.{layer}.{part}");
    }
    match module {
        "embeddings.token" => "embeddings.word_embeddings",
        "embeddings.position" => "embeddings.position_embeddings",
        "embeddings.norm" => "embeddings.LayerNorm",
        other => other,
    }
    .to_owned()
}
