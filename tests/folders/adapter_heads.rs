//! Prediction heads in folders of the `adapters` library: what is read, refused and told.

use std::fs;
use std::path::PathBuf;

use burn::tensor::Device;
use isogloss::{Predictor, TextEncoder};
use isogloss_model::{HeadChoice, HeadSpec, Pooling, load, named_parameters};
use isogloss_tests::{Fixture, copy_folder, copy_model, fixtures, waves};
use serde_json::json;
use tempfile::TempDir;

use crate::{assert_refused, edit_json, edit_weights};

/// Folder of a case of `adapter_heads` with its base beside it.
fn with_head(case: &str, family: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    copy_model(family, &folder.path().join(family));
    copy_folder(&fixtures().join("adapter_heads").join(case), &path);
    edit_json(&path.join("adapter_config.json"), |json| {
        json["model_name"] = json!(format!("../{family}"));
    });
    (folder, path)
}

/// Heads that compute something else are refused by their field, and told where none is needed.
#[test]
fn a_head_of_the_adapters_library_that_is_not_read_is_told() {
    let flex = ("flex-classification", "xlm-roberta", "heads.task.4.weight");
    let fixed = ("static-sequence", "xlm-roberta", "classifier.out_proj.weight");
    let tagging = ("flex-tagging", "distilbert", "heads.task.1.weight");
    for ((case, family, tensor), pointer, value, field) in [
        (flex, "/config/head_type", json!("masked_lm"), "config.head_type"),
        (flex, "/config/layers", json!(1), "config.layers"),
        (flex, "/config/layers", json!(3), "config.layers"),
        (flex, "/config/activation_function", json!("gelu"), "config.activation_function"),
        (flex, "/config/activation_function", json!(null), "config.activation_function"),
        // The pooler of XLM-R is another layer than its classifier's, and its own tensor.
        (flex, "/config/use_pooler", json!(true), "config.use_pooler"),
        (flex, "/config/bias", json!(false), "config.bias"),
        (flex, "/config/layer_norm", json!(true), "config.layer_norm"),
        (flex, "/config/num_labels", json!(4), "num_labels"),
        (flex, "/config/label2id/ask", json!(7), "label2id"),
        (flex, "/name", json!(null), "name"),
        (flex, "/hidden_size", json!(64), "hidden_size"),
        (tagging, "/config/layers", json!(2), "config.layers"),
        (fixed, "/model_class", json!("XLMRobertaForQuestionAnswering"), "model_class"),
        (fixed, "/model_class", json!("BertForSequenceClassification"), "model_class"),
        (fixed, "/model_type", json!("bert"), "model_type"),
        (fixed, "/num_labels", json!(2), "num_labels"),
    ] {
        let (_base, path) = with_head(case, family);
        edit_json(&path.join("head_config.json"), |json| {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[name] = value;
        });
        let device = Device::flex();
        let refused = Predictor::load(&path, &device);
        let parts = ["head_config.json: ", &format!("field \"{field}\"")];
        assert_refused(pointer, refused, &parts);
        TextEncoder::load(&path, &device).unwrap();
        let spec = HeadSpec::tokens(vec!["O".into(), "B-x".into()]);
        let by_name = HeadChoice::ByName { spec: spec.clone(), seed: 1 };
        for choice in [HeadChoice::SavedIfRead, by_name, HeadChoice::New { spec, seed: 1 }] {
            let loaded = load(&path, &choice, &device).unwrap();
            assert_eq!(loaded.model.encoder.active_adapters(), ["task"], "{pointer}");
            let report = &loaded.report;
            assert!(report.unused.iter().any(|name| name == tensor), "{:?}", report.unused);
            let told = report.unread_head.as_ref().is_some_and(|reason| reason.contains(field));
            let is_read = !matches!(choice, HeadChoice::New { .. });
            assert_eq!(told, is_read, "{pointer}: {:?}", report.unread_head);
            let named = matches!(choice, HeadChoice::ByName { .. });
            let drawn: &[&str] = if named { &["O", "B-x"] } else { &[] };
            assert_eq!(report.rows.drawn, drawn);
            assert_eq!(loaded.head.is_some(), choice != HeadChoice::SavedIfRead);
        }
    }
}

#[test]
fn tensors_of_a_head_of_the_adapters_library_are_all_read() {
    let device = Device::flex();
    let (_base, path) = with_head("flex-classification", "xlm-roberta");
    let weights = path.join("model_head.safetensors");
    edit_weights(&weights, |tensors| {
        tensors.push(("heads.task.7.weight".into(), vec![3, 3], waves(9, 0.5)));
    });
    let parts = ["model_head.safetensors: tensor \"heads.task.7.weight\"", "no place"];
    assert_refused("one more", Predictor::load(&path, &device), &parts);
    edit_weights(&weights, |tensors| {
        tensors.retain(|(name, ..)| name != "heads.task.7.weight" && name != "heads.task.1.bias");
    });
    let parts = ["model_head.safetensors: no tensor \"heads.task.1.bias\""];
    assert_refused("one less", Predictor::load(&path, &device), &parts);
    fs::remove_file(path.join("head_config.json")).unwrap();
    assert_refused("no configuration", Predictor::load(&path, &device), &["head_config.json"]);
    TextEncoder::load(&path, &device).unwrap();

    // The library's head ends at BERT's pooler, which the base must have.
    let (base, path) = with_head("static-pooler", "bert");
    Predictor::load(&path, &device).unwrap();
    edit_weights(&base.path().join("bert/model.safetensors"), |tensors| {
        tensors.retain(|(name, ..)| !name.contains("pooler"));
    });
    let parts = ["no tensor \"bert.pooler.dense.weight\""];
    assert_refused("no pooler", Predictor::load(&path, &device), &parts);
}

/// Rows go by the names of labels, from a head of the same kind alone.
#[test]
fn rows_of_a_head_of_the_adapters_library_go_by_name() {
    let device = Device::flex();
    let (_base, path) = with_head("flex-classification", "xlm-roberta");
    let names = ["ask", "new", "greet"].map(str::to_owned).to_vec();
    let by_name = |spec| load(&path, &HeadChoice::ByName { spec, seed: 1 }, &device).unwrap();
    let loaded = by_name(HeadSpec::sequence(names.clone(), Pooling::FirstToken));
    let rows = &loaded.report.rows;
    assert_eq!(
        (&rows.moved[..], &rows.drawn[..]),
        (&["ask", "greet"].map(String::from)[..], &["new".to_owned()][..])
    );
    let params = named_parameters(&loaded.model);
    let bias = params.iter().find(|param| param.path == "head.classifier.bias").unwrap();
    let bias = bias.data().try_into_vec::<f32>().unwrap();
    let saved = Fixture::read(&path.join("model_head.safetensors")).floats("heads.task.4.bias");
    // The library's order is thank, greet, ask.
    assert_eq!([bias[0], bias[2]], [saved[2], saved[1]]);
    let loaded = by_name(HeadSpec::tokens(names.clone()));
    assert_eq!(loaded.report.rows.drawn, names);
    assert!(loaded.report.unused.contains(&"heads.task.4.bias".to_owned()));
    let choice = HeadChoice::AsIs { spec: HeadSpec::tokens(names) };
    assert_refused("another kind", load(&path, &choice, &device), &["head_config.json: expected"]);
}
