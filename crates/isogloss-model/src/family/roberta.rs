//! RoBERTa and XLM-R: BERT's names; position IDs start after the ID of the padding token, and the
//! classification head differs.
//!
//! # Source
//! Liu et al. 2019, arXiv:1907.11692; Conneau et al. 2020, arXiv:1911.02116; `RobertaModel` and
//! `XLMRobertaModel` of `transformers`.

use super::bert;
use super::spec::{Activation, FamilySpec, LmHeadNames, ModelType, Pooler, PositionRule};

/// Specification of RoBERTa and XLM-R.
pub(super) const SPEC: FamilySpec = FamilySpec {
    model_types: &[
        ModelType { name: "roberta", class_stem: "Roberta" },
        ModelType { name: "xlm-roberta", class_stem: "XLMRoberta" },
    ],
    pad_token_id: 1,
    positions: PositionRule::AfterPadding,
    prefix: "roberta.",
    pooler: Pooler {
        activation: Activation::Tanh,
        dropout_first: true,
        dense: "classifier.dense",
        classifier: "classifier.out_proj",
        modules: &["classifier"],
    },
    lm_head: LmHeadNames {
        root: "lm_head.",
        dense: "lm_head.dense",
        norm: "lm_head.layer_norm",
        bias: "lm_head",
        decoder: "lm_head.decoder",
    },
    ..bert::SPEC
};
