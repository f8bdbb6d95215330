//! DistilBERT: field and tensor names; no segment embeddings.
//!
//! # Source
//! Sanh et al. 2019, arXiv:1910.01108; `DistilBertModel` of `transformers`.

use super::spec::{
    Activation, DropoutFields, FamilySpec, LayerNormEps, LmHeadNames, ModelType, Pooler,
    PositionRule, SizeFields,
};

/// Specification of DistilBERT.
pub(super) const SPEC: FamilySpec = FamilySpec {
    model_types: &[ModelType { name: "distilbert", class_stem: "DistilBert" }],
    required: &[("activation", "gelu")],
    off: &["is_encoder_decoder"],
    sizes: SizeFields {
        num_hidden_layers: "n_layers",
        hidden_size: "dim",
        intermediate_size: "hidden_dim",
        num_attention_heads: "n_heads",
    },
    equal_sizes: &[],
    type_vocab_size: None,
    layer_norm_eps: LayerNormEps::Fixed(1e-12),
    dropout: DropoutFields {
        hidden: "dropout",
        attention: "attention_dropout",
        classifier: "seq_classif_dropout",
        classifier_default: Some(0.2),
        classifier_is_for_tokens: false,
    },
    pad_token_id: 0,
    positions: PositionRule::FromZero,
    prefix: "distilbert.",
    modules: &[
        ("embeddings.token", "embeddings.word_embeddings"),
        ("embeddings.position", "embeddings.position_embeddings"),
        ("embeddings.norm", "embeddings.LayerNorm"),
    ],
    blocks: "transformer.layer",
    block_modules: &[
        ("attention.query", "attention.q_lin"),
        ("attention.key", "attention.k_lin"),
        ("attention.value", "attention.v_lin"),
        ("attention.output", "attention.out_lin"),
        ("attention_norm", "sa_layer_norm"),
        ("feed_forward.up", "ffn.lin1"),
        ("feed_forward.down", "ffn.lin2"),
        ("feed_forward_norm", "output_layer_norm"),
    ],
    adapter_modules: ["attention_adapters", "output_adapters"],
    pooler: Pooler {
        activation: Activation::Relu,
        dropout_first: false,
        dense: "pre_classifier",
        classifier: "classifier",
        modules: &["classifier", "pre_classifier"],
    },
    lm_head: LmHeadNames {
        root: "vocab_",
        dense: "vocab_transform",
        norm: "vocab_layer_norm",
        bias: "vocab_projector",
        decoder: "vocab_projector",
    },
};
