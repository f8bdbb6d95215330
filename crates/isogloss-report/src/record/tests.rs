//! Tests of run records read from complete, truncated and malformed run folders.

use std::fs;

use super::*;
use crate::example_runs::{METRICS, load, measure, results, run};

#[test]
fn a_record_holds_what_the_files_say() {
    let root = tempfile::tempdir().unwrap();
    let record = load(&run(root.path(), "r_drop/seed-7", METRICS, &results(0.9, 0.5)));
    assert_eq!((record.recipe_name(), record.seed()), ("r_drop".to_owned(), Some(7)));
    assert_eq!(record.train.len(), 2);
    assert_eq!(record.train[1].loss, None);
    assert_eq!(record.dev[0].score("accuracy"), Some(0.9));
    assert_eq!(record.results.unwrap().languages["x<y"].left_out, 2);
    assert!(!record.truncated);
    assert_eq!(record.environment[0], ("device name".to_owned(), "flex".to_owned()));
    assert_eq!(record.environment[1], ("seed".to_owned(), "1".to_owned()));
}

#[test]
fn steps_repeated_after_a_resume_are_kept_once() {
    let root = tempfile::tempdir().unwrap();
    let again = "{\"kind\":\"train\",\"step\":1,\"loss\":0.25}\n";
    let record = load(&run(root.path(), "seed-1", &format!("{METRICS}{again}"), ""));
    let steps: Vec<_> = record.train.iter().map(|point| (point.step, point.loss)).collect();
    assert_eq!(steps, [(1, Some(0.25)), (2, None)]);
}

#[test]
fn errors_name_the_file_and_line() {
    let root = tempfile::tempdir().unwrap();
    let folder = run(root.path(), "seed-1", &format!("{{nonsense\n{METRICS}"), "");
    let error = RunRecord::load(&folder).unwrap_err().to_string();
    let start = format!("{}:1: ", folder.join("metrics.jsonl").display());
    assert!(error.starts_with(&start), "{error}");
    for name in ["metrics.jsonl", "environment.json", "recipe.toml"] {
        fs::remove_file(folder.join(name)).unwrap();
        let error = RunRecord::load(&folder).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn measures_are_read_as_far_as_they_go() {
    let root = tempfile::tempdir().unwrap();
    let lines = [
        measure(4, "sampled", 2.0, Some(0.25)),
        measure(0, "exact", 7.5, None),
        measure(4, "sampled", 3.0, Some(0.125)),
        r#"{"kind":"measure","step":9,"fisher":{"estimator":"new","trace":null},"more":[]}"#.into(),
    ];
    let record = load(&run(root.path(), "seed-1", &lines.concat(), ""));
    let steps: Vec<u64> = record.measures.iter().map(|point| point.step).collect();
    assert_eq!(steps, [0, 4, 9]);
    let fisher = record.measures[1].fisher.as_ref().unwrap();
    assert_eq!((fisher.trace, fisher.blocks["head"]), (Some(3.0), Some(2.5)));
    assert_eq!(record.measures[1].sharpness.as_ref().unwrap().adversarial, Some(0.125));
    assert_eq!(record.measures[2].fisher.as_ref().unwrap().trace, None);

    let nameless = run(root.path(), "seed-2", "{\"kind\":\"measure\"}\n", "");
    let error = RunRecord::load(&nameless).unwrap_err().to_string();
    assert!(error.contains("metrics.jsonl:1: missing field `step`"), "{error}");
}
