//! BERT: field and tensor names, on which the other families are based.
//!
//! # Source
//! Devlin et al. 2019, arXiv:1810.04805; `BertModel` of `transformers`.

use super::spec::{
    Activation, DropoutFields, FamilySpec, LayerNormEps, LmHeadNames, ModelType, Pooler,
    PositionRule, SizeFields,
};

/// Specification of BERT.
pub(super) const SPEC: FamilySpec = FamilySpec {
    model_types: &[ModelType { name: "bert", class_stem: "Bert" }],
    required: &[("hidden_act", "gelu"), ("position_embedding_type", "absolute")],
    off: &["is_decoder", "add_cross_attention", "is_encoder_decoder"],
    sizes: SizeFields {
        num_hidden_layers: "num_hidden_layers",
        hidden_size: "hidden_size",
        intermediate_size: "intermediate_size",
        num_attention_heads: "num_attention_heads",
    },
    equal_sizes: &[],
    type_vocab_size: Some(2),
    layer_norm_eps: LayerNormEps::Field("layer_norm_eps", 1e-12),
    dropout: DropoutFields {
        hidden: "hidden_dropout_prob",
        attention: "attention_probs_dropout_prob",
        classifier: "classifier_dropout",
        classifier_default: None,
        classifier_is_for_tokens: true,
    },
    pad_token_id: 0,
    positions: PositionRule::FromZero,
    prefix: "bert.",
    modules: &[
        ("embeddings.token", "embeddings.word_embeddings"),
        ("embeddings.position", "embeddings.position_embeddings"),
        ("embeddings.token_type", "embeddings.token_type_embeddings"),
        ("embeddings.norm", "embeddings.LayerNorm"),
    ],
    blocks: "encoder.layer",
    block_modules: &[
        ("attention.query", "attention.self.query"),
        ("attention.key", "attention.self.key"),
        ("attention.value", "attention.self.value"),
        ("attention.output", "attention.output.dense"),
        ("attention_norm", "attention.output.LayerNorm"),
        ("feed_forward.up", "intermediate.dense"),
        ("feed_forward.down", "output.dense"),
        ("feed_forward_norm", "output.LayerNorm"),
    ],
    adapter_modules: ["attention.output", "output"],
    pooler: Pooler {
        activation: Activation::Tanh,
        dropout_first: false,
        dense: "bert.pooler.dense",
        classifier: "classifier",
        modules: &["classifier", "pooler"],
    },
    lm_head: LmHeadNames {
        root: "cls.predictions.",
        dense: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.LayerNorm",
        bias: "cls.predictions",
        decoder: "cls.predictions.decoder",
    },
};
