//! Lengths and sides of truncation in `tokenizer_config.json`.
//!
//! Reported by others: `model_max_length` and `truncation_side` of a folder are lost by programs
//! that read `tokenizer.json` alone.

use burn::tensor::Device;
use isogloss::{Predictor, TextEncoder};
use isogloss_tests::copy_model;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::write_json;

/// Model folder with this `tokenizer_config.json`.
fn folder(config: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta", folder.path());
    write_json(&folder.path().join("tokenizer_config.json"), config);
    folder
}

#[test]
fn the_length_where_none_is_given_is_the_smaller_of_tokenizer_and_model() {
    let device = Device::flex();
    let lengths = |config: Value| {
        let folder = folder(&config);
        let predictor = Predictor::load(folder.path(), &device).unwrap();
        let encoder = TextEncoder::load(folder.path(), &device).unwrap();
        let longer = predictor.scoring().max_length.max(9);
        assert_eq!(encoder.max_length(), predictor.scoring().max_length);
        // A length that is given wins.
        let encoder = encoder.with_max_length(9);
        assert_eq!(encoder.max_length(), 9.min(longer));
        predictor.scoring().max_length
    };
    let of_model = lengths(json!({}));
    assert_eq!(lengths(json!({ "model_max_length": 5 })), 5);
    assert_eq!(lengths(json!({ "model_max_length": 1e30 })), of_model);
    assert_eq!(lengths(json!({ "model_max_length": of_model + 1 })), of_model);
}

/// Sentence embedding of a text by a folder with this configuration.
fn embed(config: &Value, text: &str) -> Vec<f32> {
    let folder = folder(config);
    let encoder = TextEncoder::load(folder.path(), &Device::flex()).unwrap();
    let texts = encoder.tokenize(&[text]).unwrap();
    let vectors = encoder.encode(&texts, &[], &[1]).unwrap().remove(0);
    vectors.sentences.row(0).to_vec()
}

#[test]
fn texts_are_truncated_on_the_side_that_the_folder_says() {
    let text = "das licht an bitte tür";
    let right = embed(&json!({ "model_max_length": 4 }), text);
    assert_eq!(right, embed(&json!({}), "das licht"));
    let left = embed(&json!({ "model_max_length": 4, "truncation_side": "left" }), text);
    assert_eq!(left, embed(&json!({}), "bitte tür"));
    assert_ne!(left, right);
    // Padding is masked on either side.
    assert_eq!(embed(&json!({ "padding_side": "left" }), text), embed(&json!({}), text));
}
