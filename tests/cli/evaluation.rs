//! `isogloss finetune`, `evaluate` and `predict` in turn on a tiny tagger: their scores and
//! truncation agree.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod centring;
mod counts;
mod embed;
mod empty_texts;
mod language_adapters;
mod model_folders;
mod reading;
mod saved_subnetworks;
mod splits;
mod trimming;

use std::fs;
use std::path::Path;
use std::process::Command;

use isogloss_tests::copy_model;
use serde_json::Value;
use tempfile::TempDir;

/// Words of two subwords each, so that the tag unit makes a difference.
const TAGGED: &str = "in O\nlichtlicht B-x\nbitte O\nkücheküche B-x\nan O\n\nküche B-x\nin O\n\n";

fn isogloss(folder: &Path, args: &str) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
    let output = command.args(args.split(' ')).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{args}: {err}");
    (out, err)
}

/// The message of a command that must fail.
fn refused(folder: &Path, args: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
    let output = command.args(args.split(' ')).current_dir(folder).output().unwrap();
    assert!(!output.status.success(), "{args}");
    String::from_utf8(output.stderr).unwrap()
}

/// Temporary folder with a stock tagger, data, and a finished run with words as units.
fn finished() -> (TempDir, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert-tokens", &path.join("model"));
    for name in ["en.train", "en.dev", "en.test", "de.test"] {
        fs::write(path.join(format!("{name}.conll")), TAGGED.repeat(4)).unwrap();
    }
    fs::copy(path.join("de.test.conll"), path.join("de.conll")).unwrap();
    let recipe = "seed = 1\n[model]\nsource = \"model\"\nmax_length = 7\n\
                  [task.tagging]\nunits = \"word\"\n\
                  [data]\npath = \"{language}.{split}.conll\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
                  [optimizer]\nlearning_rate = 2e-2\n[training]\nepochs = 12\nbatch_size = 2\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    let (_, log) = isogloss(path, "finetune recipe.toml --device flex --out run");
    let results = fs::read(path.join("run/seed-1/results.json"));
    let results = results.or_else(|_| fs::read(path.join("run/recipe/seed-1/results.json")));
    let results = serde_json::from_slice(&results.unwrap()).unwrap();
    (folder, results, log)
}

fn best(folder: &Path) -> &'static str {
    let short = folder.join("run/seed-1/best").exists();
    if short { "run/seed-1/best" } else { "run/recipe/seed-1/best" }
}

#[test]
fn evaluate_gives_the_scores_of_the_run() {
    let (folder, results, log) = finished();
    let path = folder.path();
    assert!(log.contains("moved     labels B-x, I-x, O"), "{log}");
    let score = |more: &str| -> Value {
        let args = format!("evaluate {} de.conll --device flex --json{more}", best(path));
        let found: Value = serde_json::from_str(&isogloss(path, &args).0).unwrap();
        found["languages"]["de"].clone()
    };
    let expected = &results["languages"]["de"];
    assert_eq!(&score(""), expected);
    assert_eq!(&score(" --units word --max-length 7"), expected);
    assert_ne!(&score(" --units subword"), expected);
    assert_ne!(&score(" --max-length 40"), expected);

    // The same model as transformers saves it: a token classifier without scoring options.
    let config = path.join(best(path)).join("config.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    json.as_object_mut().unwrap().remove("isogloss");
    fs::write(&config, json.to_string()).unwrap();
    assert_eq!(&score(" --max-length 7"), expected);
    assert_eq!(score(""), score(" --units word --max-length 40"));
}

#[test]
fn two_files_of_a_language_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert-tokens", &path.join("model"));
    fs::create_dir(path.join("more")).unwrap();
    for name in ["de.conll", "fr.conll", "more/de.conll"] {
        fs::write(path.join(name), TAGGED).unwrap();
    }
    let error = refused(path, "evaluate model de.conll fr.conll more/de.conll --device flex");
    assert!(error.contains("more/de.conll: de.conll is of de too"), "{error}");
    isogloss(path, "evaluate model de.conll fr.conll --device flex");
}

/// The model of a run says what it was trained on; of another model, a single file does not say whether
/// its language was trained on.
#[test]
fn only_a_language_that_is_said_to_be_the_source_is_called_so() {
    let (folder, ..) = finished();
    let path = folder.path();
    for name in ["en.conll", "fr.conll"] {
        fs::copy(path.join("de.conll"), path.join(name)).unwrap();
    }
    let evaluate = |model: &str, args: &str| {
        let args = format!("evaluate {model} {args} --device flex");
        let table = isogloss(path, &args).0;
        let rows = table.lines().filter(|line| line.ends_with("  source"));
        let named: Vec<&str> = rows.map(|row| row.split(' ').next().unwrap()).collect();
        let json: Value =
            serde_json::from_str(&isogloss(path, &format!("{args} --json")).0).unwrap();
        let sources = json["sources"].as_array().unwrap().iter();
        let sources: Vec<&str> = sources.map(|tag| tag.as_str().unwrap()).collect();
        let is_scored = |tag: &&str| !json["languages"][*tag].is_null();
        assert_eq!(sources.iter().copied().filter(is_scored).collect::<Vec<_>>(), named, "{json}");
        let n_targets = json["n_targets"].as_u64().unwrap();
        (sources.join(" "), n_targets, json["mean_target"].is_null())
    };
    let of_run = |args: &str| evaluate(best(path), args);
    assert_eq!(of_run("de.conll"), ("en".into(), 1, false));
    assert_eq!(of_run("en.conll"), ("en".into(), 0, true));
    assert_eq!(of_run("de.conll fr.conll"), ("en".into(), 2, false));
    assert_eq!(of_run("de.conll en.conll --source de"), ("de".into(), 1, false));
    assert_eq!(of_run("de.conll en.conll fr.conll --source de,en"), ("de en".into(), 1, false));

    // Without settings of a run, as a published model.
    let config = path.join(best(path)).join("config.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    json["isogloss"].as_object_mut().unwrap().remove("scoring").unwrap();
    fs::write(&config, json.to_string()).unwrap();
    assert_eq!(of_run("de.conll"), (String::new(), 0, true));
    assert_eq!(of_run("en.conll"), (String::new(), 0, true));
    assert_eq!(of_run("de.conll --source de"), ("de".into(), 0, true));
    assert_eq!(of_run("de.conll fr.conll"), (String::new(), 2, false));
    assert_eq!(of_run("de.conll en.conll"), ("en".into(), 1, false));
}

#[test]
fn predict_gives_each_word_its_tag() {
    let (folder, ..) = finished();
    // Texts are truncated as in the run unless the flag differs.
    let args = format!("predict {} --device flex --max-length 40", best(folder.path()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
    command.args(args.split(' ')).arg("in lichtlicht  bitte").current_dir(folder.path());
    let output = command.output().unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> =
        found.trim().split(' ').map(|word| word.split('/').next().unwrap()).collect();
    assert_eq!(words, ["in", "lichtlicht", "bitte"], "{found}");
}

#[test]
fn predict_uses_the_parts_of_a_language_if_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert-tokens", &path.join("model"));
    fs::write(path.join("de.conll"), TAGGED.repeat(4)).unwrap();
    let told = "languages used parts of the model in its run; --language says which are used";
    let predict = "predict model licht --device flex --json";
    let (whole, err) = isogloss(path, predict);
    assert!(!err.contains(told), "{err}");
    let search = "subnetwork model de.conll --threshold 0.001 --share 0.9 --out model/subnetworks";
    isogloss(path, &format!("{search} --device flex"));
    let (found, err) = isogloss(path, predict);
    assert!(found == whole && err.contains(told), "{err}");
    let (own, err) = isogloss(path, &format!("{predict} --language de"));
    assert!(own != whole && !err.contains(told), "{err}");
    // A language without a subnetwork uses the whole model.
    assert_eq!(isogloss(path, &format!("{predict} --language fr")).0, whole);
}
