//! ELECTRA, with the discriminator as the encoder: BERT's names, RoBERTa's classification head with
//! GELU, and the generator's masked-language-model head.
//!
//! The discriminator's own head, replaced token detection, is not loaded. Embeddings that are
//! narrower than the hidden states (`embedding_size`), as in the small models and the generators,
//! are not supported.
//!
//! # Source
//! Clark et al. 2020, arXiv:2003.10555; `ElectraModel` of `transformers`.

use super::bert;
use super::spec::{Activation, EqualSize, FamilySpec, LmHeadNames, ModelType, Pooler};

/// Specification of ELECTRA.
pub(super) const SPEC: FamilySpec = FamilySpec {
    model_types: &[ModelType { name: "electra", class_stem: "Electra" }],
    equal_sizes: &[EqualSize {
        field: "embedding_size",
        default: 128,
        other: "hidden_size",
        otherwise: "the projection \"embeddings_project\"",
    }],
    prefix: "electra.",
    pooler: Pooler {
        activation: Activation::Gelu,
        dropout_first: true,
        dense: "classifier.dense",
        classifier: "classifier.out_proj",
        modules: &["classifier"],
    },
    lm_head: LmHeadNames {
        root: "generator_",
        dense: "generator_predictions.dense",
        norm: "generator_predictions.LayerNorm",
        bias: "generator_lm_head",
        decoder: "generator_lm_head",
    },
    ..bert::SPEC
};
