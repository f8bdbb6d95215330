//! Fields of `config.json` that change what transformers computes: refused by name, or listed.

use burn::tensor::Device;
use isogloss_model::{EncoderConfig, HeadChoice, HeadSpec, load, read_config};
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

/// `transformers` takes the class from its user; a state dict saved beside `config.to_json_file`
/// has no `architectures`.
#[test]
fn a_head_without_a_class_is_told_by_its_tensors() {
    let device = Device::flex();
    for model in [
        "xlm-roberta",
        "xlm-roberta-tokens",
        "bert-tokens",
        "distilbert",
        "distilbert-tokens",
        "electra",
        "electra-tokens",
    ] {
        let folder = tempfile::tempdir().unwrap();
        copy_model(model, folder.path());
        let config = folder.path().join("config.json");
        let expected = load(folder.path(), &HeadChoice::Saved, &device).unwrap().head.unwrap();
        // A configuration of the pretrained model is often copied beside the weights.
        let json = read_config(folder.path()).unwrap().1;
        let class = json["architectures"][0].as_str().unwrap().to_owned();
        let (stem, _) = class.split_once("For").unwrap();
        let pretrained = [format!("{stem}ForMaskedLM"), format!("{stem}Model")];
        for said in
            [Value::Null, json!([]), json!(class), json!(pretrained), json!([pretrained[1]])]
        {
            edit_json(&config, |json| json["architectures"] = said.clone());
            let loaded = load(folder.path(), &HeadChoice::Saved, &device).unwrap();
            assert_eq!(loaded.head.as_ref(), Some(&expected), "{model}");
            assert_eq!(loaded.report.unused, [""; 0], "{model}");
        }
        // Training takes its rows over.
        let choice = HeadChoice::ByName { spec: expected.clone(), seed: 1 };
        let rows = load(folder.path(), &choice, &device).unwrap().report.rows;
        assert_eq!(rows.kept, expected.labels(), "{model}");
        // The names of labels are not what tells.
        edit_json(&config, |json| {
            json.as_object_mut().unwrap().retain(|field, _| !field.contains("label"));
        });
        let head = load(folder.path(), &HeadChoice::Saved, &device).unwrap().head.unwrap();
        assert_eq!(head.kind(), expected.kind(), "{model}");
        assert_eq!(head.labels()[4], "LABEL_4", "{model}");
    }
}

#[test]
fn a_head_of_several_classes_is_asked_for_its_class() {
    let folder = tempfile::tempdir().unwrap();
    copy_model("bert", folder.path());
    let config = folder.path().join("config.json");
    edit_json(&config, |json| _ = json.as_object_mut().unwrap().shift_remove("architectures"));
    let parts =
        ["config.json: field \"architectures\": there is none, and \"classifier.weight\" and \
         \"bert.pooler.dense.weight\" may be of BertForSequenceClassification or \
         BertForTokenClassification; [\"BertForSequenceClassification\"] says so"];
    let load = |choice: &HeadChoice| load(folder.path(), choice, &Device::flex());
    assert_refused("saved", load(&HeadChoice::Saved), &parts);
    let spec = HeadSpec::tokens(vec!["O".to_owned()]);
    let by_name = HeadChoice::ByName { spec: spec.clone(), seed: 1 };
    assert_refused("by name", load(&by_name), &parts);
    // The configuration of the pretrained model, and a class of its own.
    for (class, said) in [
        ("BertForMaskedLM", "\"BertForMaskedLM\" has no classifier, and \"classifier.weight\""),
        ("BertCrfForNer", "\"BertCrfForNer\" is not known, and \"classifier.weight\""),
    ] {
        edit_json(&config, |json| json["architectures"] = json!([class]));
        assert_refused(class, load(&HeadChoice::Saved), &[said, "says so"]);
    }
    // An encoder, and one with a new head that is asked for, need no class.
    load(&HeadChoice::Without).unwrap();
    load(&HeadChoice::New { spec, seed: 1 }).unwrap();
    // What is written is read.
    edit_json(&config, |json| json["architectures"] = json!(["BertForSequenceClassification"]));
    assert_eq!(load(&HeadChoice::Saved).unwrap().head.unwrap().labels()[0], "greet");
}

/// A conditional random field over its logits would be left out without a word.
#[test]
fn a_class_of_its_own_is_not_taken_for_a_known_one() {
    let folder = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta-tokens", folder.path());
    edit_json(&folder.path().join("config.json"), |json| {
        json["architectures"] = json!(["XLMRobertaCRF"]);
    });
    let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
    let parts = [
        "\"XLMRobertaCRF\" is not known",
        "may be of XLMRobertaForTokenClassification; [\"XLMRobertaForTokenClassification\"] says so",
    ];
    assert_refused("a class of its own", result, &parts);
}

#[test]
fn an_encoder_without_a_class_has_no_head() {
    for model in ["bert-lm", "xlm-roberta-lm", "distilbert-lm", "electra-lm"] {
        let folder = tempfile::tempdir().unwrap();
        copy_model(model, folder.path());
        edit_json(&folder.path().join("config.json"), |json| json["architectures"] = json!([]));
        let head = load(folder.path(), &HeadChoice::Saved, &Device::flex()).unwrap().head;
        assert_eq!(head, None, "{model}");
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
