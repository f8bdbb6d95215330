//! Fields of `config.json` that change what transformers computes: refused by name, or listed.

use burn::tensor::Device;
use isogloss_model::{EncoderConfig, HeadChoice, load, read_config};
use isogloss_tests::{copy_model, fixtures};
use serde_json::{Value, json};

use crate::{assert_refused, edit_json};

#[test]
fn settings_of_other_architectures_are_refused() {
    let cases: [(&str, &str, Value, &str); 12] = [
        ("bert", "hidden_act", json!("relu"), "\"gelu\" is supported"),
        ("bert", "hidden_act", json!("gelu_new"), "\"gelu\" is supported"),
        ("xlm-roberta", "hidden_act", json!("silu"), "\"gelu\" is supported"),
        ("distilbert", "activation", json!("relu"), "\"gelu\" is supported"),
        ("bert", "position_embedding_type", json!("relative_key"), "\"absolute\" is supported"),
        (
            "electra",
            "position_embedding_type",
            json!("relative_key_query"),
            "\"absolute\" is supported",
        ),
        // A decoder's tokens attend to earlier tokens only.
        ("bert", "is_decoder", json!(true), "not supported"),
        ("xlm-roberta", "is_decoder", json!(true), "not supported"),
        ("electra", "add_cross_attention", json!(true), "not supported"),
        ("distilbert", "is_encoder_decoder", json!(true), "not supported"),
        ("bert", "quantization_config", json!({"load_in_8bit": true}), "not supported"),
        ("distilbert", "quantization_config", json!({"quant_method": "gptq"}), "not supported"),
    ];
    for (model, field, value, problem) in cases {
        let folder = tempfile::tempdir().unwrap();
        copy_model(model, folder.path());
        load(folder.path(), &HeadChoice::Saved, &Device::flex()).unwrap();
        edit_json(&folder.path().join("config.json"), |json| json[field] = value.clone());
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        let name = format!("config.json: field {field:?}");
        assert_refused(&format!("{model}, {field} {value}"), result, &[&name, problem]);
    }
}

#[test]
fn no_field_that_transformers_writes_is_unused() {
    for model in ["bert", "xlm-roberta-tokens", "distilbert", "electra-lm", "parser"] {
        let (_, json) = read_config(fixtures().join(model)).unwrap();
        assert_eq!(EncoderConfig::unused_fields(&json).unwrap(), [""; 0], "{model}");
    }
}

#[test]
fn fields_that_are_read_are_not_listed_as_unused() {
    // The tokenizer reads its class from config.json too.
    let folder = fixtures().join("../../examples/isogloss-tiny");
    let (_, json) = read_config(folder).unwrap();
    assert_eq!(json["tokenizer_class"], "XLMRobertaTokenizer");
    assert_eq!(EncoderConfig::unused_fields(&json).unwrap(), [""; 0]);
}
