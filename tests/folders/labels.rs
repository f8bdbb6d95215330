//! Labels in `config.json` of transformers: `id2label`, `label2id`, `num_labels` and
//! `problem_type`.

use std::path::Path;

use burn::tensor::Device;
use isogloss::{Prediction, Predictor};
use isogloss_model::{HeadChoice, LoadedModel, ProblemType, load, save};
use isogloss_tests::copy_model;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{assert_refused, edit_json, edit_weights};

const TEXT: &str = "Licht aus";

/// Model folder of a classifier with five labels, with an edited configuration.
fn folder(edit: impl FnOnce(&mut Value)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta", folder.path());
    edit_json(&folder.path().join("config.json"), edit);
    folder
}

/// The same with fewer rows in the classifier.
fn with_rows(n_rows: usize, edit: impl FnOnce(&mut Value)) -> TempDir {
    let folder = folder(edit);
    edit_weights(&folder.path().join("model.safetensors"), |tensors| {
        for (name, shape, values) in tensors {
            if name.starts_with("classifier.out_proj") {
                values.truncate(n_rows * values.len() / shape[0]);
                shape[0] = n_rows;
            }
        }
    });
    folder
}

fn predict(folder: &Path) -> Prediction {
    let predictor = Predictor::load(folder, &Device::flex()).unwrap();
    predictor.predict(&[(TEXT, None)]).unwrap().remove(0)
}

fn remove(json: &mut Value, fields: &[&str]) {
    fields.iter().for_each(|field| _ = json.as_object_mut().unwrap().remove(*field));
}

#[test]
fn names_of_labels_are_read_in_all_their_forms() {
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit, [&str; 5]); 8] = [
        // transformers#18052, transformers PR #16709: integers as label names.
        (
            "integers",
            |json| json["id2label"] = json!({"0": 3, "1": 1, "2": 2, "3": 0, "4": 4}),
            ["3", "1", "2", "0", "4"],
        ),
        (
            "other values",
            |json| json["id2label"] = json!({"0": true, "1": 0.5, "2": "c", "3": "d", "4": "e"}),
            ["true", "0.5", "c", "d", "e"],
        ),
        (
            "any order",
            |json| json["id2label"] = json!({"4": "e", "2": "c", "0": "a", "1": "b", "3": "d"}),
            ["a", "b", "c", "d", "e"],
        ),
        // timm#2080: the names are only in label2id.
        (
            "label2id alone",
            |json| remove(json, &["id2label"]),
            ["greet", "ask", "order", "thank", "leave"],
        ),
        // transformers PR #16709: `id2label=None` is written as null.
        (
            "null, and a number",
            |json| {
                remove(json, &["label2id"]);
                json["id2label"] = json!(null);
                json["num_labels"] = json!(5);
            },
            ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"],
        ),
        // hayj/DeepStyle#4: neither names nor a number of labels.
        (
            "rows of the classifier",
            |json| remove(json, &["id2label", "label2id"]),
            ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"],
        ),
        // transformers#3093: label2id is the default for two labels.
        (
            "a label2id that does not fit",
            |json| {
                remove(json, &["id2label"]);
                json["label2id"] = json!({"LABEL_0": 0, "LABEL_1": 1});
            },
            ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"],
        ),
        // neuralmagic/deepsparse PR #482: label2id contradicts id2label, which pipelines use.
        (
            "a label2id that contradicts",
            |json| json["label2id"] = json!({"x": 0, "y": 1}),
            ["greet", "ask", "order", "thank", "leave"],
        ),
    ];
    for (case, edit, expected) in cases {
        let folder = folder(edit);
        let predictor = Predictor::load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(predictor.head().labels(), expected, "{case}");
        assert_eq!(predictor.labels().unwrap().names(), expected, "{case}");
    }
}

#[test]
fn names_that_cannot_be_used_are_refused_by_file_and_field() {
    let cases: [(&str, Value, &[&str]); 4] = [
        (
            "a gap",
            json!({"0": "a", "2": "c"}),
            &["field \"id2label\": unexpected id \"2\", where 2 names have the ids 0 to 1"],
        ),
        ("null", json!({"0": "a", "1": null}), &["field \"id2label\": id 1 has no name"]),
        ("twice", json!({"0": "a", "00": "b"}), &["field \"id2label\": unexpected id \"00\""]),
        // transformers#2487: two default names for a classifier of nine labels.
        (
            "too few",
            json!({"0": "LABEL_0", "1": "LABEL_1"}),
            &["model.safetensors", "classifier.out_proj.weight", "[2, 32]", "[5, 32]"],
        ),
    ];
    for (case, names, parts) in cases {
        let folder = folder(|json| json["id2label"] = names);
        let path = folder.path().display().to_string();
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        assert_refused(case, result, &[&[path.as_str()], parts].concat());
    }
    // transformers 4 goes by the names and 5 by the number, both with a warning.
    let folder_of = |number: Value| folder(|json| json["num_labels"] = number);
    let other = folder_of(json!(3));
    let path = other.path().join("config.json").display().to_string();
    let told = "field \"num_labels\": 3, and 5 names in \"id2label\"";
    let result = load(other.path(), &HeadChoice::Saved, &Device::flex());
    assert_refused("another number", result, &[&path, told]);
    for number in [json!(5), json!(null)] {
        load(folder_of(number).path(), &HeadChoice::Saved, &Device::flex()).unwrap();
    }
    // Two ids with one name can be shown to a user, but not compared with gold labels.
    let names = json!({"0": "a", "1": "b", "2": "other", "3": "other", "4": "c"});
    let folder = folder(|json| json["id2label"] = names);
    assert!(matches!(predict(folder.path()), Prediction::Class { .. }));
    let predictor = Predictor::load(folder.path(), &Device::flex()).unwrap();
    let path = folder.path().join("config.json").display().to_string();
    assert_refused("two", predictor.labels(), &[&path, "\"id2label\": label \"other\""]);
}

#[test]
fn the_problem_type_says_how_logits_are_read() {
    let Prediction::Class { label, probability } = predict(folder(|_| ()).path()) else {
        panic!("a class")
    };
    // infinity PR #662: softmax over labels that are not mutually exclusive.
    let multi = folder(|json| json["problem_type"] = json!("multi_label_classification"));
    let Prediction::Labels { labels } = predict(multi.path()) else { panic!("labels") };
    // transformers#33973: a regression score is not a probability.
    let regression = folder(|json| json["problem_type"] = json!("regression"));
    let Prediction::Scores { scores } = predict(regression.path()) else { panic!("scores") };
    assert_eq!((labels.len(), scores.len()), (5, 5));
    for (labels, scores) in labels.iter().zip(&scores) {
        let sigmoid = 1.0 / (1.0 + (-scores.score).exp());
        assert!((labels.probability - sigmoid).abs() < 1e-6, "{labels:?}, {scores:?}");
        assert_eq!(labels.label, scores.label);
    }
    let sum: f64 = scores.iter().map(|one| one.score.exp()).sum();
    let of_best = scores.iter().find(|one| one.label == label).unwrap();
    assert!((of_best.score.exp() / sum - probability).abs() < 1e-6);
    for (folder, name) in [(multi, "multi_label_classification"), (regression, "regression")] {
        let predictor = Predictor::load(folder.path(), &Device::flex()).unwrap();
        let parts = ["config.json: field \"problem_type\"", name, "no metric"];
        assert_refused(name, predictor.labels(), &parts);
    }
}

#[test]
fn one_output_is_a_score() {
    // transformers PR #7726, PR #10417: softmax over one logit is always 1.
    let names = json!({"0": "LABEL_0"});
    let folder = with_rows(1, |json| json["id2label"] = names.clone());
    let Prediction::Scores { scores } = predict(folder.path()) else { panic!("a score") };
    assert_eq!(scores.len(), 1);
    assert_ne!(scores[0].score, 1.0);
    // sentence-transformers#568: a reranker with one output, whose probability is its sigmoid.
    let folder = with_rows(1, |json| {
        json["id2label"] = names.clone();
        json["problem_type"] = json!("multi_label_classification");
    });
    let Prediction::Labels { labels } = predict(folder.path()) else { panic!("a label") };
    assert!((labels[0].probability - 1.0 / (1.0 + (-scores[0].score).exp())).abs() < 1e-6);
    for (value, parts) in [
        ("single_label_classification", ["field \"problem_type\"", "one output"]),
        ("ranking", ["field \"problem_type\": expected", "found \"ranking\""]),
    ] {
        let folder = with_rows(1, |json| {
            json["id2label"] = names.clone();
            json["problem_type"] = json!(value);
        });
        let result = load(folder.path(), &HeadChoice::Saved, &Device::flex());
        assert_refused(value, result, &[&["config.json"], &parts[..]].concat());
    }
}

#[test]
fn a_saved_model_keeps_its_problem_type() {
    for problem in [ProblemType::MultiLabel, ProblemType::Regression] {
        let folder = folder(|json| json["problem_type"] = json!(problem.name()));
        let LoadedModel { model, head, config_json, .. } =
            load(folder.path(), &HeadChoice::Saved, &Device::flex()).unwrap();
        let out = tempfile::tempdir().unwrap();
        save(out.path(), &model, head.as_ref(), &config_json).unwrap();
        let saved = load(out.path(), &HeadChoice::Saved, &Device::flex()).unwrap();
        assert_eq!(saved.head, head);
        assert_eq!(saved.head.unwrap().problem(), problem);
    }
}
