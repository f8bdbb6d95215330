//! Which split of a file is scored, where a column tells the splits.

use std::fs;
use std::path::Path;

use isogloss_tests::copy_model;
use serde_json::{Value, json};

use super::{isogloss, refused};

const LABELS: [&str; 5] = ["greet", "ask", "order", "thank", "leave"];

/// Lines of JSON with `n` texts of a split, whose labels begin at another one.
fn lines(split: &str, n: usize, first: usize) -> String {
    let words = ["licht an", "küche", "bitte licht", "in der küche", "an an"];
    let line = |at: usize| {
        let label = LABELS[(at + first) % 5];
        json!({"text": words[at % 5], "label": label, "part": split}).to_string() + "\n"
    };
    (0..n).map(line).collect()
}

/// The value that `evaluate` prints as JSON, and what it tells without.
fn evaluate(folder: &Path, args: &str) -> (Value, String) {
    let args = format!("evaluate {args} --device flex");
    let (out, _) = isogloss(folder, &format!("{args} --json"));
    (serde_json::from_str(&out).unwrap(), isogloss(folder, &args).1)
}

#[test]
fn the_test_split_of_the_run_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert", &path.join("model"));
    let english = lines("tr", 20, 0) + &lines("va", 10, 0) + &lines("te", 10, 0);
    fs::write(path.join("en.jsonl"), english).unwrap();
    // The labels of the other split are wrong, so that it would change the score.
    fs::write(path.join("de.jsonl"), lines("tr", 15, 2) + &lines("te", 10, 0)).unwrap();
    let recipe = "seed = 1\n[model]\nsource = \"model\"\n[task.classification]\n\
                  [data]\npath = \"{language}.jsonl\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
                  columns = { split = \"part\" }\n\
                  splits = { train = \"tr\", dev = \"va\", test = \"te\" }\n\
                  [optimizer]\nlearning_rate = 1e-2\n[training]\nepochs = 6\nbatch_size = 4\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    isogloss(path, "finetune recipe.toml --device flex");
    let best = "runs/recipe/seed-1/best";
    let results = fs::read(path.join(best).with_file_name("results.json")).unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();

    let (found, told) = evaluate(path, &format!("{best} de.jsonl"));
    assert_eq!(found["languages"]["de"], results["languages"]["de"]);
    assert_eq!(found["splits"], json!({"de": {"name": "te", "n_others": 15}}));
    let line = "de.jsonl: the split \"te\"; 15 examples of others are left aside, which --split or \
                --all-splits takes";
    assert!(told.contains(line), "{told}");

    let (named, told) = evaluate(path, &format!("{best} de.jsonl --split te"));
    assert_eq!(named["languages"], found["languages"]);
    assert!(!told.contains("split"), "{told}");
    let (all, told) = evaluate(path, &format!("{best} de.jsonl --all-splits"));
    assert_eq!(all["languages"]["de"]["n"], json!(25));
    assert!(all.get("splits").is_none() && !told.contains("split"), "{told}");
    assert_ne!(all["languages"]["de"]["accuracy"], found["languages"]["de"]["accuracy"]);
    let error = refused(path, &format!("evaluate {best} de.jsonl --split te --all-splits"));
    assert!(error.contains("cannot be used with"), "{error}");

    // A file without the column of the run is read whole.
    fs::write(path.join("es.tsv"), "text\tlabel\nlicht an\tgreet\nküche\task\n").unwrap();
    let without = lines("te", 3, 0).replace(",\"part\":\"te\"", "");
    fs::write(path.join("fr.jsonl"), without).unwrap();
    for (file, n) in [("es.tsv", 2), ("fr.jsonl", 3)] {
        let (found, told) = evaluate(path, &format!("{best} {file}"));
        let language = &file[..2];
        assert_eq!(found["languages"][language]["n"], json!(n));
        let line = format!("{file}: no column \"part\" of splits; all rows are taken");
        assert!(told.contains(&line), "{told}");
        let (found, told) = evaluate(path, &format!("{best} {file} --all-splits"));
        assert_eq!(found["languages"][language]["n"], json!(n));
        assert!(!told.contains("split"), "{told}");
        for command in ["fisher", "subnetwork --out masks"] {
            let (_, told) = isogloss(path, &format!("{command} {best} {file} --device flex"));
            assert!(told.contains(&line), "{told}");
        }
        for flag in ["--split te", "--split-column part", "--split-column part --split te"] {
            let error = refused(path, &format!("evaluate {best} {file} {flag} --device flex"));
            assert!(error.contains(&format!("{file}:")) && error.contains("\"part\""), "{error}");
        }
    }
    // Another column of splits is named.
    fs::write(path.join("es.jsonl"), lines("te", 5, 0).replace("part", "fold")).unwrap();
    let (found, told) = evaluate(path, &format!("{best} es.jsonl --split-column fold"));
    assert_eq!(found["splits"]["es"], json!({"name": "te", "n_others": 0}));
    assert!(!told.contains("split"), "{told}");
}

#[test]
fn a_published_model_is_scored_on_the_test_split() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert", &path.join("model"));
    let write = |text: &str| {
        fs::write(path.join("de.jsonl"), text.replace("\"part\"", "\"split\"")).unwrap();
    };
    write(&(lines("train", 7, 1) + &lines("test", 5, 0)));
    let (found, _) = evaluate(path, "model de.jsonl");
    assert_eq!(found["languages"]["de"]["n"], json!(5));
    assert_eq!(found["splits"]["de"], json!({"name": "test", "n_others": 7}));

    write(&lines("validation", 5, 0));
    let (found, told) = evaluate(path, "model de.jsonl");
    assert_eq!(found["languages"]["de"]["n"], json!(5));
    assert!(told.contains("de.jsonl: all is of the split \"validation\""), "{told}");

    write(&(lines("a", 5, 0) + &lines("b", 5, 0)));
    let error = refused(path, "evaluate model de.jsonl --device flex");
    for part in
        ["no example of split \"test\", only of [\"a\", \"b\"]: --split", "--all-splits takes all"]
    {
        assert!(error.contains(part), "{error}");
    }
    // No column of splits.
    write(&lines("a", 5, 0).replace(",\"part\":\"a\"", ""));
    let (found, told) = evaluate(path, "model de.jsonl");
    assert!(found.get("splits").is_none() && !told.contains("split"), "{told}");
}
