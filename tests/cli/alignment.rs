//! `isogloss retrieve`, `alignment` and `align` on a tiny model: their output, and their errors on
//! bad input.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
mod awake;
mod devices;
mod pages;
mod project;
mod streams;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use isogloss_tests::copy_model;
use serde_json::Value;
use tempfile::TempDir;

/// Temporary folder with a model, German and French pairs, and a German dictionary.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    copy_model("xlm-roberta", &folder.path().join("model"));
    write("en-de.tsv", "light off\tLicht aus\nlight on\tLicht an\nplease\tbitte\n");
    write("en-fr.tsv", "light off\téteins\nlight on\tallume\nlight on\tallume\n");
    write("en-de.dic", "light Licht\noff aus\non an\n");
    write("en-de.gold", "0-0 1-1\n0-0 1?1\n0-0\n");
    folder
}

fn isogloss(folder: &Path, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
    command.args(args.split(' ')).current_dir(folder).output().unwrap()
}

#[track_caller]
fn succeeds(folder: &Path, args: &str) -> (String, String) {
    let output = isogloss(folder, args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{args}: {err}");
    (out, err)
}

#[track_caller]
fn fails(folder: &Path, args: &str, parts: &[&str]) {
    let output = isogloss(folder, args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{args}");
    for part in parts {
        assert!(err.contains(part), "{args}: no {part:?} in {err:?}");
    }
}

#[test]
fn retrieval_scores_each_file() {
    let folder = folder();
    let args = "retrieve model --device flex --json --layer 1 --pairs en-de.tsv en-fr.tsv";
    for scoring in ["cosine", "margin"] {
        let (out, _) = succeeds(folder.path(), &format!("{args} --scoring {scoring}"));
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["n"], &lines[1]["n"]), (&3.into(), &3.into()));
        assert_eq!(lines[1]["n_repeated"], serde_json::json!([1, 1]));
        assert!(lines[0]["accuracy"]["forward"].is_f64());
    }
    let (out, err) = succeeds(folder.path(), "retrieve model --device flex --pairs en-fr.tsv");
    assert!(out.contains("en-fr.tsv") && err.contains("repeated texts 1 and 1"), "{out}{err}");
    let mine = "retrieve model --device flex --pairs en-de.tsv --mine 0.5 --out mined.tsv";
    let (_, err) = succeeds(folder.path(), mine);
    assert!(err.contains("from 3 and 3 texts; precision"), "{err}");
    let mined = fs::read_to_string(folder.path().join("mined.tsv")).unwrap();
    assert!(mined.lines().all(|line| line.split('\t').count() == 3), "{mined}");
    // Distractors: texts without a translation, as in BUCC.
    fs::write(folder.path().join("more.de"), "Tisch\nbitte\nStuhl\n").unwrap();
    let (out, _) = succeeds(folder.path(), &format!("{mine} --right more.de --json"));
    let line: Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!((&line["n_left"], &line["n_right"]), (&3.into(), &5.into()));
    assert!(line["scores"]["f1"].is_f64());
}

#[test]
fn what_stands_in_a_file_is_not_lost_to_a_command_that_fails() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("kept"), "kept").unwrap();
    for (command, part) in [
        ("align en-de.tsv --dictionary none.dic --out kept", "none.dic"),
        ("align none.tsv --out kept", "none.tsv"),
        ("align en-de.tsv --model ./none --device flex --out kept", "none"),
        ("retrieve model --device flex --pairs en-de.tsv none.tsv --mine 1 --out kept", "none.tsv"),
    ] {
        fails(path, command, &[part]);
        assert_eq!(fs::read_to_string(path.join("kept")).unwrap(), "kept", "{command}");
    }
    let pairs = fs::read_to_string(path.join("en-de.tsv")).unwrap();
    for command in [
        "align en-de.tsv --out ./en-de.tsv",
        "retrieve model --device flex --pairs en-de.tsv --mine 1 --out en-de.tsv",
    ] {
        fails(path, command, &["the file is read, and would be lost"]);
        assert_eq!(fs::read_to_string(path.join("en-de.tsv")).unwrap(), pairs);
    }
}

#[test]
fn alignment_is_measured_printed_and_written() {
    let folder = folder();
    let args = "alignment model --device flex --pairs en-{language}.tsv --dictionaries \
                en-{language}.dic --layers 0,2 --out alignment.json";
    let (out, err) = succeeds(folder.path(), args);
    assert!(out.contains("de: 3 pairs of sentences, 4 pairs of words"), "{out}");
    assert!(out.contains("(1 without any)"), "{out}");
    assert!(err.contains("fr: no en-fr.dic, so only sentences are measured"), "{err}");
    let bytes = fs::read(folder.path().join("alignment.json")).unwrap();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    let layers = json["languages"]["de"]["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &layers[1]["layer"]), (2, &2.into()));
    assert!(layers[0]["strong"]["forward"].is_f64());
    assert!(json["languages"]["fr"]["layers"][0].get("strong").is_none());

    // Scores of `de-DE` match the measured `de`; `fr` matches the scores of two languages, which
    // are left out with a note.
    let scores = r#"{"accuracy": 0.5, "macro_f1": 0.5, "n": 1, "left_out": 0, "truncated": 0}"#;
    let results = format!(
        r#"{{"task": "classification", "metric": "accuracy", "sources": ["en"],
        "selection": {{"rule": "", "step": 1, "score": 1}}, "mean_target": 0.5, "gap": 0.5,
        "n_targets": 3, "languages": {{"en": {scores}, "de-DE": {scores}, "fr-FR": {scores},
        "fr-CA": {scores}}}}}"#
    );
    fs::write(folder.path().join("results.json"), results).unwrap();
    let (out, err) =
        succeeds(folder.path(), &format!("{args} --word-pairs 0 --scores results.json"));
    assert!(out.contains("1 languages have scores: too few"), "{out}");
    let told = "fr was measured, and there are scores of fr-CA and fr-FR: they are left out";
    assert!(err.contains(told), "{err}");
    let bytes = fs::read(folder.path().join("alignment.json")).unwrap();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["measured_as"], serde_json::json!({ "de-DE": "de" }));

    // Alignments from files, and learned alignments.
    let learnt = "alignment model --device flex --pairs en-{language}.tsv --languages de";
    succeeds(folder.path(), learnt);
    fs::write(folder.path().join("en-de.links"), "0-0\n\n0-1\n").unwrap();
    fails(
        folder.path(),
        &format!("{learnt} --links en-{{language}}.links"),
        &["en-de.links:3: link \"0-1\" does not fit texts of 1 and 1 words"],
    );
}

#[test]
fn links_of_the_model_are_written_in_order_and_scored() {
    let folder = folder();
    let args = "align en-de.tsv --model model --layer 1 --device flex --gold en-de.gold";
    for more in ["", " --unit word --extraction itermax", " --batch-size 1"] {
        let (out, err) = succeeds(folder.path(), &format!("{args}{more}"));
        assert_eq!(out.lines().count(), 3, "{out}");
        for part in ["pairs a second", "3 pairs, ", "alignment error rate ", "recall "] {
            assert!(err.contains(part), "{err}");
        }
    }
    let dictionary = "align en-de.tsv --dictionary en-de.dic --gold en-de.gold";
    let (out, err) = succeeds(folder.path(), dictionary);
    assert_eq!(out, "0-0 1-1\n0-0 1-1\n\n");
    // |A| = 4, all of them possible; 3 of the 4 sure links are found.
    assert!(err.contains("alignment error rate 12.50, precision 100.00, recall 75.00"), "{err}");
    succeeds(folder.path(), "align en-de.tsv --learn-from en-fr.tsv");
}

#[test]
fn dictionaries_of_two_directions_link_by_either_rule() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("some.tsv", "the lamp\tdie lampe\n");
    write("there.dic", "lamp\tlampe\n");
    write("back.dic", "lampe\tthe\n");
    let align = "align some.tsv --dictionary there.dic --reverse-dictionary back.dic";
    assert_eq!(succeeds(folder.path(), align).0, "\n");
    let (out, _) = succeeds(folder.path(), &format!("{align} --dictionary-rule authors_code"));
    assert_eq!(out, "1-1\n");
    let alone = "align some.tsv --dictionary there.dic --dictionary-rule authors_code";
    fails(folder.path(), alone, &["--reverse-dictionary"]);
}

#[test]
fn input_that_does_not_fit_is_named() {
    let folder = folder();
    fs::write(folder.path().join("empty.tsv"), "").unwrap();
    fs::write(folder.path().join("three.tsv"), "a\tb\nc\td\te\n").unwrap();
    let path = folder.path();
    let retrieve = "retrieve model --device flex --pairs";
    fails(path, &format!("{retrieve} empty.tsv"), &["empty.tsv: no example in this file"]);
    fails(path, &format!("{retrieve} three.tsv"), &["three.tsv:2: expected 2 columns, found 3"]);
    fails(
        path,
        &format!("{retrieve} en-de.tsv --layer 9"),
        &["no layer 9: the model has layers 0 (the embeddings) to 2"],
    );
    for (more, part) in [
        ("--mine NaN", "expected a number"),
        ("--mine 1 --json", "give --out"),
        ("--left en-de.tsv", "--mine"),
    ] {
        fails(path, &format!("{retrieve} en-de.tsv {more}"), &[part]);
    }
    fails(path, "align en-de.tsv --dictionary en-de.dic --iterations 9", &["cannot be used with"]);
    let alignment = "alignment model --device flex --pairs";
    fails(path, &format!("{alignment} en-de.tsv"), &["expected a path with {language} in it"]);
    fails(
        path,
        &format!(
            "{alignment} en-{{language}}.tsv --languages fr --dictionaries en-{{language}}.dic"
        ),
        &["en-fr.dic: no file for \"fr\", only for \"de\""],
    );
    fs::write(path.join("en-test.tsv"), "a\tb\n").unwrap();
    fails(
        path,
        &format!("{alignment} en-{{language}}.tsv"),
        &["en-test.tsv: \"test\" is not a language tag: \"test\" is the name of a split"],
    );
    fs::remove_file(path.join("en-test.tsv")).unwrap();
    fails(path, &format!("{alignment} no-{{language}}.tsv"), &["no language has such a file"]);
    fails(path, &format!("{alignment} en-{{language}}.tsv --layers 0,7"), &["no layer 7"]);
    fails(
        path,
        &format!("{alignment} en-{{language}}.tsv --scores en-de.tsv"),
        &["en-de.tsv: expected value at line 1"],
    );
    fails(path, "align en-de.tsv --model model --device flex", &["no layer 8"]);
    fails(path, "align en-de.tsv --gold en-de.tsv", &["en-de.tsv:1: link \"light\""]);
    fs::write(path.join("blank.gold"), "\n\n\n").unwrap();
    fails(path, "align en-de.tsv --gold blank.gold", &["blank.gold: no link in any line"]);
}
