//! Bad model folders: without weights, or with an unusable `config.json`.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss::Predictor;
use isogloss_model::{HeadChoice, load};
use isogloss_tests::fixtures;
use serde_json::{Value, json};

use crate::{assert_refused, copy_of, truncate};

/// Edits a JSON file in place.
pub(crate) fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut json);
    fs::write(path, serde_json::to_vec_pretty(&json).unwrap()).unwrap();
}

#[test]
fn an_incomplete_folder_says_what_it_lacks() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &[&str]); 4] = [
        ("no folder", |f| fs::remove_dir_all(f).unwrap(), &["config.json", "No such file"]),
        ("no config", |f| fs::remove_file(f.join("config.json")).unwrap(), &["config.json"]),
        (
            "no weights",
            |f| fs::remove_file(f.join("model.safetensors")).unwrap(),
            &["no weights: expected model.safetensors", "pytorch_model.bin"],
        ),
        (
            "a folder as config",
            |f| {
                fs::remove_file(f.join("config.json")).unwrap();
                fs::create_dir(f.join("config.json")).unwrap();
            },
            &["config.json"],
        ),
    ];
    for (case, damage, parts) in cases {
        let folder = copy_of("bert");
        let name = folder.path().display().to_string();
        damage(folder.path());
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        assert_refused(case, result, &[&[name.as_str()], parts].concat());
    }
}

#[test]
fn a_faulty_config_names_the_field_and_the_file() {
    let cases: [(&str, &str, Value, &[&str]); 22] = [
        ("bert", "model_type", json!("gpt2"), &["field \"model_type\"", "found \"gpt2\""]),
        ("bert", "model_type", json!(3), &["no field \"model_type\""]),
        ("bert", "model_type", json!(null), &["no field \"model_type\""]),
        (
            "bert",
            "vocab_size",
            json!(null),
            &["field \"vocab_size\": expected a count, found null"],
        ),
        ("bert", "vocab_size", json!("120"), &["field \"vocab_size\"", "found \"120\""]),
        ("bert", "vocab_size", json!(-120), &["field \"vocab_size\"", "found -120"]),
        ("bert", "vocab_size", json!(u64::MAX), &["field \"vocab_size\""]),
        ("bert", "hidden_size", json!(0), &["field \"hidden_size\": expected a positive number"]),
        ("bert", "num_attention_heads", json!(5), &["5 heads do not divide a hidden size of 32"]),
        (
            "bert",
            "num_hidden_layers",
            json!(1 << 30),
            &["field \"num_hidden_layers\"", "at most 256"],
        ),
        ("bert", "hidden_act", json!("relu"), &["field \"hidden_act\"", "found \"relu\""]),
        (
            "bert",
            "position_embedding_type",
            json!("relative_key"),
            &["\"position_embedding_type\""],
        ),
        ("bert", "hidden_dropout_prob", json!(1.0), &["hidden dropout", "[0, 1)", "found 1"]),
        (
            "bert",
            "layer_norm_eps",
            json!("1e-12"),
            &["field \"layer_norm_eps\": expected a number"],
        ),
        ("bert", "pad_token_id", json!(120), &["field \"pad_token_id\": 120", "vocabulary of 120"]),
        (
            "xlm-roberta",
            "max_position_embeddings",
            json!(2),
            &["field \"max_position_embeddings\""],
        ),
        ("distilbert", "activation", json!("relu"), &["field \"activation\""]),
        (
            "electra",
            "embedding_size",
            json!(16),
            &["field \"embedding_size\": 16 is not \"hidden_size\", 32", "embeddings_project"],
        ),
        (
            "electra",
            "embedding_size",
            json!(null),
            &["field \"embedding_size\": 128 is not \"hidden_size\", 32"],
        ),
        ("bert", "id2label", json!({"0": "a", "7": "b"}), &["field \"id2label\"", "\"7\""]),
        ("bert", "id2label", json!({"0": null}), &["field \"id2label\": id 0 has no name"]),
        ("bert", "id2label", json!([]), &["field \"id2label\": expected an object"]),
    ];
    for (fixture, field, value, parts) in cases {
        let folder = copy_of(fixture);
        let path = folder.path().join("config.json");
        edit_json(&path, |json| json[field] = value.clone());
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        let path = format!("{}: ", path.display());
        assert_refused(&format!("{field} = {value}"), result, &[&[path.as_str()], parts].concat());
    }

    for n_labels in [json!(0), json!(1u64 << 40), json!("two")] {
        let folder = copy_of("bert");
        edit_json(&folder.path().join("config.json"), |json| {
            json.as_object_mut()
                .unwrap()
                .retain(|field, _| field != "id2label" && field != "label2id");
            json["num_labels"] = n_labels.clone();
        });
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        assert_refused("num_labels", result, &["config.json: field \"num_labels\""]);
    }
}

#[test]
fn a_damaged_config_names_the_file_and_the_line() {
    let n_bytes = fs::metadata(fixtures().join("bert/config.json")).unwrap().len() as usize;
    for len in [0, 1, n_bytes / 2, n_bytes - 2] {
        let folder = copy_of("bert");
        truncate(&folder.path().join("config.json"), len);
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        assert_refused(&format!("{len} bytes"), result, &["config.json: EOF", "at line "]);
    }
    for (case, text, part) in [
        ("a list", "[1, 2]", "no field \"model_type\""),
        ("not UTF-8", "{\n\"a\": \"\u{0}\"", "at line 2"),
        ("deep", &"[".repeat(100_000), "recursion limit"),
    ] {
        let folder = copy_of("bert");
        fs::write(folder.path().join("config.json"), text).unwrap();
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        assert_refused(case, result, &["config.json: ", part]);
    }
}

#[test]
fn a_predictor_needs_a_head_and_a_tokenizer_that_fits() {
    let folder = copy_of("xlm-roberta");
    let predictor = || Predictor::load(folder.path(), &Device::flex()).map(|_| ());
    assert_refused("no tokenizer", predictor(), &["tokenizer.json: cannot be read"]);

    let tokenizer = folder.path().join("tokenizer.json");
    fs::write(&tokenizer, "{\"version\": \"1.0\"").unwrap();
    assert_refused(
        "half a tokenizer",
        predictor(),
        &["tokenizer.json: not a usable tokenizer: EOF"],
    );

    fs::copy(fixtures().join("tokenizer.json"), &tokenizer).unwrap();
    predictor().unwrap();
    edit_json(&tokenizer, add_tokens);
    let parts = ["tokenizer.json: the tokenizer has 130 tokens", "embedding only 120 rows"];
    assert_refused("too many tokens", predictor(), &parts);

    edit_json(&folder.path().join("config.json"), |json| {
        json["architectures"] = json!(["XLMRobertaForQuestionAnswering"])
    });
    assert_refused("no head", predictor(), &["config.json: this model has no head"]);
}

/// Adds tokens to a tokenizer up to the id 129.
pub(crate) fn add_tokens(tokenizer: &mut Value) {
    let pieces = tokenizer["model"]["vocab"].as_array_mut().unwrap();
    for id in pieces.len()..130 {
        pieces.push(json!([format!("added{id}"), -20.0]));
    }
}
