//! `isogloss centring`, and the commands that use what it stores with a model.

use std::fs;
use std::path::Path;

use isogloss_tests::copy_model;
use serde_json::Value;
use tempfile::TempDir;

use super::{TAGGED, best, isogloss, refused};

/// Temporary folder with a finished run with a `[centring]` table, and its recipe without the table.
fn finished() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert-tokens", &path.join("model"));
    for name in ["en.train", "en.dev", "en.test", "de.test", "de", "fr"] {
        fs::write(path.join(format!("{name}.conll")), TAGGED.repeat(4)).unwrap();
    }
    fs::write(path.join("en.txt"), "in lichtlicht bitte\nküche in\nan\n").unwrap();
    fs::write(path.join("de.txt"), "küche küche\nküche\nkücheküche licht\n").unwrap();
    let recipe = "seed = 1\n[model]\nsource = \"model\"\n[task.tagging]\nunits = \"word\"\n\
                  [data]\npath = \"{language}.{split}.conll\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
                  [centring]\npath = \"{language}.txt\"\n\
                  [optimizer]\nlearning_rate = 2e-2\n[training]\nepochs = 6\nbatch_size = 2\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    isogloss(path, "finetune recipe.toml --device flex --out run");
    folder
}

/// The entry of a language in what `evaluate` prints, and its messages.
#[track_caller]
fn score(folder: &Path, language: &str, more: &str) -> (Value, String) {
    let args = format!("evaluate {} {language}.conll --device flex --json{more}", best(folder));
    let (out, told) = isogloss(folder, &args);
    (serde_json::from_str::<Value>(&out).unwrap()["languages"][language].clone(), told)
}

#[test]
fn what_is_stored_with_a_model_is_used_by_each_command() {
    let folder = finished();
    let path = folder.path();
    let model = path.join(best(path));
    let results = fs::read(model.with_file_name("results.json")).unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(score(path, "de", "").0, results["languages"]["de"]);
    let as_is = score(path, "de", " --no-centring").0;

    let by_run = fs::read(model.join("centring.json")).unwrap();
    let best = best(path);
    let args = format!("centring {best} en.txt de.txt --source en --device flex --batch-size 64");
    let (out, _) = isogloss(path, &args);
    assert!(out.contains("by the mean onto en (6 vectors): de (5)"), "{out}");
    assert_eq!(fs::read(model.join("centring.json")).unwrap(), by_run);
    let (out, _) = isogloss(path, &format!("{args} --by mean-and-deviation --json"));
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["n_rows"], serde_json::json!({ "de": 5 }), "{out}");
    assert_eq!(summary["by"], "mean_and_deviation", "{out}");
    assert_eq!(score(path, "de", " --no-centring").0, as_is);

    let predict = format!("predict {best} küche --device flex --json");
    let (whole, told) = isogloss(path, &predict);
    let line = "centring.json: vectors are centred by language; without --language they stay as \
                they are";
    assert!(told.contains(line) && !told.contains("parts of the model"), "{told}");
    let (moved, told) = isogloss(path, &format!("{predict} --language de"));
    assert_eq!(told, "");
    assert_ne!(moved, whole);
    assert_eq!(isogloss(path, &format!("{predict} --language en")).0, whole);
    assert_eq!(isogloss(path, &format!("{predict} --language de --no-centring")).0, whole);

    let (_, told) = score(path, "fr", "");
    assert!(told.contains("centring.json: not of fr, whose vectors stay as they are"), "{told}");
    let (inspected, _) = isogloss(path, &format!("inspect {best}"));
    assert!(inspected.contains("centring     by mean and deviation onto en"), "{inspected}");
    assert!(!inspected.contains("unused       centring.json"), "{inspected}");
    let (_, told) = isogloss(path, &format!("fisher {best} de.conll --radius 0 --device flex"));
    assert!(told.contains("centring.json: not used here"), "{told}");
}

#[test]
fn files_that_are_no_texts_and_models_elsewhere_are_refused() {
    let folder = finished();
    let path = folder.path();
    let best = best(path);
    for (args, part) in [
        (format!("{best} en.txt de.conll --source en"), "de.conll: expected a file with one text"),
        (format!("{best} de.txt --source en"), "en: no file of texts for this source language"),
        (format!("{best} en.txt en.txt --source en"), "en.txt: a second file of texts for en"),
        (format!("{best} recipe.toml --source en"), "expected a file named after its language"),
    ] {
        let error = refused(path, &format!("centring {args} --device flex"));
        assert!(error.contains(part), "{error}");
    }
    let stored = path.join(best).join("centring.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&stored).unwrap()).unwrap();
    json["languages"]["de"]["mean"].as_array_mut().unwrap().pop();
    fs::write(&stored, json.to_string()).unwrap();
    let error = refused(path, &format!("evaluate {best} de.conll --device flex"));
    assert!(error.contains("centring.json: languages.de: expected numbers, 32 a mean"), "{error}");
}
