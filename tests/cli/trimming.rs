//! `isogloss trim` on files of pairs: both texts are read, and what is not read is told.

use std::fs;

use isogloss_tests::copy_model;
use serde_json::{Value, json};

use super::{isogloss, refused};

/// Whether the vocabulary of a trimmed model has a word.
fn has_token(folder: &std::path::Path, model: &str, token: &str) -> bool {
    let path = folder.join(model).join("tokenizer.json");
    let tokenizer: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let pieces = tokenizer["model"]["vocab"].as_array().unwrap();
    pieces.iter().any(|piece| piece[0] == format!("▁{token}"))
}

#[test]
fn the_tokens_of_both_texts_of_a_pair_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert", &path.join("model"));
    let pair = json!({"text": "licht an", "other": "bitte küche", "label": "same"});
    fs::write(path.join("de.jsonl"), format!("{pair}\n")).unwrap();

    let (_, told) = isogloss(path, "trim model --corpus de.jsonl --out first");
    assert!(told.contains("de.jsonl: not read: \"other\"; --pair-column names"), "{told}");
    assert!(has_token(path, "first", "licht") && !has_token(path, "first", "bitte"));

    let both = "trim model --corpus de.jsonl --pair-column other --out both";
    let (_, told) = isogloss(path, both);
    assert!(!told.contains("not read"), "{told}");
    assert!(has_token(path, "both", "licht") && has_token(path, "both", "bitte"));

    // The columns of the model's run are read without a flag, and an empty name says that there are
    // no pairs.
    let config = path.join("model/config.json");
    let mut saved: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    saved["isogloss"] = json!({"scoring": {"task": {"classification": {}}, "max_length": 16,
        "unseen_labels": "error", "reading": {"columns": {"pair": "other"}}}});
    fs::write(&config, saved.to_string()).unwrap();
    isogloss(path, "trim model --corpus de.jsonl --out saved");
    assert!(has_token(path, "saved", "bitte"));
    let (_, told) = isogloss(path, "trim model --corpus de.jsonl --out single --pair-column ");
    assert!(told.contains("not read: \"other\"") && !has_token(path, "single", "bitte"), "{told}");
}

#[test]
fn a_field_that_is_not_there_is_asked_for_by_the_flag_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert", &path.join("model"));
    fs::write(path.join("de.jsonl"), "{\"utterance\": \"licht an\"}\n").unwrap();
    let error = refused(path, "trim model --corpus de.jsonl --out cut");
    assert!(error.contains("no field \"text\"; --text-column says which holds it"), "{error}");
    isogloss(path, "trim model --corpus de.jsonl --text-column utterance --out cut");
    fs::write(path.join("words.txt"), "licht an\n").unwrap();
    let error = refused(path, "trim model --corpus words.txt --pair-column other --out never");
    assert!(error.contains("--pair-column names a field of JSON Lines"), "{error}");
}
