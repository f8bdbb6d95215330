//! Preset encoder configurations for tests, examples and benchmarks.

use crate::{EncoderConfig, Family, Pruning};

/// Tiny encoder for tests: two blocks of width 32, which builds and runs in milliseconds.
pub fn tiny(vocab_size: usize) -> EncoderConfig {
    EncoderConfig {
        hidden_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 64,
        max_position_embeddings: 64,
        ..multilingual_e5_small(vocab_size)
    }
}

/// Sizes of multilingual-e5-small (BERT family), whose own vocabulary has 250 037 subwords.
pub fn multilingual_e5_small(vocab_size: usize) -> EncoderConfig {
    EncoderConfig {
        family: Family::Bert,
        vocab_size,
        hidden_size: 384,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        intermediate_size: 1536,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        sequence_dropout_prob: 0.1,
        token_dropout_prob: 0.1,
        pad_token_id: 1,
        initializer_range: 0.02,
        pruned: Pruning::default(),
    }
}
