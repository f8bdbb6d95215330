//! The `[views]` table: data augmentation, the views of a text that objectives compare.
//!
//! Its keys are [`ViewsConfig`](isogloss_text::ViewsConfig); this file has its entries of the
//! method registry.

use isogloss_methods::{MethodInfo, method_options};
use isogloss_text::SubwordSamplingConfig;
use serde_json::json;

/// Method registry of data augmentation, `[views.<key>]`.
pub fn views() -> &'static [MethodInfo] {
    VIEWS
}

const VIEWS: &[MethodInfo] = &[
    MethodInfo {
        key: "subword_sampled",
        title: "Subword sampling",
        paper: "Kudo 2018, arXiv:1804.10959; Zheng et al. 2021, xTune, arXiv:2106.08226",
        formula: "segmentation s drawn with p(s)^α / Σ p(s')^α; for BPE, merges left out (BPE-dropout)",
        needs: &[],
        file: "crates/isogloss-text/src/subword/sampler.rs",
        required: &[],
        example: || method_options(SubwordSamplingConfig::default()),
    },
    MethodInfo {
        key: "code_switched",
        title: "Code-switching by bilingual dictionaries",
        paper: "Qin et al. 2020, CoSDA-ML, arXiv:2006.06402; Zheng et al. 2021, xTune, arXiv:2106.08226",
        formula: "each word, with probability rate, gives way to a translation into a random language",
        needs: &[],
        file: "crates/isogloss-text/src/view/code_switch.rs",
        required: &["dictionaries", "languages"],
        example: || {
            json!({
                "dictionaries": "dictionaries/en-{language}.txt", "languages": ["de"],
                "rate": 0.3, "case": "lower",
            })
        },
    },
    MethodInfo {
        key: "translated",
        title: "Translation of whole texts",
        paper: "Zheng et al. 2021, xTune, arXiv:2106.08226",
        formula: "each text gives way to its translation into a random language",
        needs: &[],
        file: "crates/isogloss-text/src/view/translation.rs",
        required: &["path", "languages"],
        example: || json!({ "path": "translations/en-{language}.tsv", "languages": ["de"] }),
    },
];
