//! Texts that are empty, white space alone or without a token, and files without an example: told by
//! every command, never scored in silence or as what is no number.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use isogloss_tests::copy_model;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::counts::{assert_told, counts, data};
use super::{isogloss, refused};

/// Zero-width space, which the normalizers of multilingual BERT and XLM-R remove.
const NOTHING: &str = "\u{200b}";

/// Temporary folder with a classifier, a tagger, a parser and an encoder, whose tokenizer removes
/// the zero-width space.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for model in ["bert", "bert-tokens", "parser", "xlm-roberta"] {
        copy_model(model, &folder.path().join(model));
        let path = folder.path().join(model).join("tokenizer.json");
        let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let removed = json!({"type": "Replace", "pattern": {"String": NOTHING}, "content": ""});
        let steps = [tokenizer["normalizer"].clone(), removed];
        tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": steps});
        fs::write(&path, tokenizer.to_string()).unwrap();
    }
    folder
}

fn line(n: usize) -> String {
    format!("no token  {n} texts have no token: the model reads special tokens only")
}

/// Runs `predict` with a text on the standard input; returns its output and messages.
fn predict(folder: &Path, model: &str, input: &str, more: &str) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
    command.args(["predict", model, "--device", "flex"]).args(more.split_whitespace());
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

/// huggingface/tokenizers#1077 and flairNLP/flair#1860: characters that a tokenizer leaves nothing of,
/// without a warning. IBM/MAX-Toxic-Comment-Classifier#7: scores of nothing.
#[test]
fn labeled_texts_without_a_token_are_scored_and_told() {
    let folder = folder();
    let path = folder.path();
    let text = |text: &str| json!({"text": text, "label": "greet"}).to_string() + "\n";
    fs::write(path.join("de.jsonl"), text("licht") + &text(NOTHING) + &text("\u{200b}\u{200b}"))
        .unwrap();
    let expected = json!({"n_without_tokens": 2});
    for command in ["evaluate", "fisher --estimator empirical", "subnetwork --out masks"] {
        let args = format!("{command} bert de.jsonl --device flex");
        assert_told(path, &args, &[&line(2)], &expected);
    }
    // The answer is that of special tokens alone, as for an empty text, and it counts.
    let (out, _) = isogloss(path, "evaluate bert de.jsonl --device flex --json");
    let found: Value = serde_json::from_str(&out).unwrap();
    let of = &found["languages"]["de"];
    assert_eq!((&of["n"], &of["without_tokens"]), (&json!(3), &json!(2)), "{of}");
    // Nothing is told, and no field is there, where each text has a token.
    fs::write(path.join("de.jsonl"), text("licht")).unwrap();
    let (out, err) = isogloss(path, "evaluate bert de.jsonl --device flex --json");
    assert!(!out.contains("\"without_tokens\"") && counts(&err).is_empty(), "{out}{err}");
}

#[test]
fn sentences_without_a_token_are_told_beside_their_lost_words() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("de.conll"), format!("{NOTHING} O\n\nlicht O\n\n")).unwrap();
    let word = |form: &str| format!("1\t{form}\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n");
    fs::write(path.join("de.conllu"), word(NOTHING) + &word("licht")).unwrap();
    let lost = "lost      1 words have no token, 0 cut off and 1 unknown to the tokenizer; in scores they count as wrong";
    let expected = json!({"n_without_tokens": 1, "n_words_lost": 1});
    for args in ["evaluate bert-tokens de.conll", "evaluate parser de.conllu"] {
        assert_told(path, &format!("{args} --device flex"), &[&line(1), lost], &expected);
    }
    let (_, told) = predict(path, "parser", &(word(NOTHING) + &word("licht")), "");
    assert!(told.lines().any(|found| found == line(1)), "{told}");
}

#[test]
fn pairs_and_texts_without_labels_are_told() {
    let folder = folder();
    let path = folder.path();
    let pairs = format!("light\tlicht\n{NOTHING}\t{NOTHING}\nplease\t{NOTHING}\n");
    fs::write(path.join("en-de.tsv"), pairs).unwrap();
    let expected = json!({"n_without_tokens": 3});
    for args in [
        "retrieve xlm-roberta --device flex --pairs en-de.tsv",
        "alignment xlm-roberta --device flex --pairs en-{language}.tsv --languages de",
    ] {
        assert_told(path, args, &[&line(3)], &expected);
    }
    let lost = "lost      3 words have no token, 0 cut off and 3 unknown to the tokenizer; in scores they count as wrong";
    let expected = json!({"n_without_tokens": 3, "n_words_lost": 3});
    let args = "align en-de.tsv --model xlm-roberta --layer 1 --device flex";
    assert_told(path, args, &[&line(3), lost], &expected);
    fs::write(path.join("en.txt"), "light\nplease\n").unwrap();
    fs::write(path.join("de.txt"), format!("licht\n{NOTHING}\n")).unwrap();
    let args = "centring bert de.txt en.txt --source en --device flex";
    assert_told(path, args, &[&line(1)], &json!({"n_without_tokens": 1}));
}

/// huggingface/transformers#3091: a text of spaces alone.
#[test]
fn predicted_texts_without_a_token_are_answered_and_told() {
    let folder = folder();
    let path = folder.path();
    let (out, told) = predict(path, "bert", "licht\n\u{200b}\n \n\nan\n", "");
    assert_eq!(out.lines().count(), 5);
    assert_eq!(told.lines().collect::<Vec<_>>(), [line(3)]);
    let (out, told) = predict(path, "bert-tokens", "licht\n\n\u{200b}\n", "--json");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1]["prediction"], json!([]));
    assert_eq!((&data(&out)["n"], &data(&out)["n_without_tokens"]), (&json!(3), &json!(2)));
    assert_eq!((lines.len(), told.as_str()), (4, ""));
    // Nothing at all is told too.
    assert_eq!(predict(path, "bert", "", ""), (String::new(), "standard input: no text\n".into()));
}

#[test]
fn a_run_stores_how_many_texts_have_no_token() {
    let folder = folder();
    let path = folder.path();
    let text = |text: &str| json!({"text": text, "label": "greet"}).to_string() + "\n";
    for name in ["en.train", "en.dev", "en.test"] {
        fs::write(path.join(format!("{name}.jsonl")), text("licht") + &text("an")).unwrap();
    }
    fs::write(path.join("de.test.jsonl"), text("licht") + &text(NOTHING)).unwrap();
    let recipe = "[model]\nsource = \"bert\"\n[task.classification]\n[data]\n\
                  path = \"{language}.{split}.jsonl\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
                  [training]\nmax_steps = 1\n[few_shot]\nn_support = 2\nsteps = 1\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    // Of five examples in German two are learned from, and count: here any two of them do.
    fs::write(path.join("de.train.jsonl"), text(NOTHING).repeat(5)).unwrap();
    let (_, told) = isogloss(path, "finetune recipe.toml --device flex");
    assert!(counts(&told).ends_with(&[&line(3)]), "{told}");
    let stored = fs::read(path.join("runs/recipe/seed-42/results.json")).unwrap();
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(stored["data"]["n_without_tokens"], json!(3));
    // Two each for training, development, the two tests, and the few shots.
    assert_eq!(stored["data"]["n"], json!(10));
    assert_eq!(stored["languages"]["de"]["without_tokens"], json!(1));
    assert_eq!(stored["languages"]["en"].get("without_tokens"), None);
    isogloss(path, "report runs");
    let report = fs::read_to_string(path.join("report.html")).unwrap();
    assert!(report.contains("(1 without a token)"));
}

/// Text without labels is counted as labeled text is, whether objectives or a centring read it.
#[test]
fn a_run_counts_its_texts_without_labels() {
    let folder = folder();
    let path = folder.path();
    let text = |text: &str| json!({"text": text, "label": "greet"}).to_string() + "\n";
    for name in ["en.train", "en.dev", "en.test", "de.test"] {
        fs::write(path.join(format!("{name}.jsonl")), text("licht") + &text("an")).unwrap();
    }
    fs::write(path.join("en.txt"), format!("licht\n{NOTHING}\n")).unwrap();
    fs::write(path.join("de.txt"), format!("an\nlicht an\n{NOTHING}\n")).unwrap();
    let recipe = "[model]\nsource = \"bert\"\n[task.classification]\n[data]\n\
                  path = \"{language}.{split}.jsonl\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
                  [training]\nmax_steps = 1\n";
    let unlabeled = "[[objective]]\nmethod.cross_entropy = {}\n\
                     [[objective]]\nmethod.entropy_minimization = {}\n\
                     [unlabeled]\npath = \"{language}.txt\"\nlanguages = [\"de\"]\n";
    let centring = "[centring]\npath = \"{language}.txt\"\n";
    for (name, tables, n, n_without) in
        [("unlabeled", unlabeled, 3, 1), ("centring", centring, 5, 2)]
    {
        fs::write(path.join(format!("{name}.toml")), format!("{recipe}{tables}")).unwrap();
        let (_, told) = isogloss(path, &format!("finetune {name}.toml --device flex"));
        assert!(counts(&told).ends_with(&[&line(n_without)]), "{told}");
        let stored = fs::read(path.join(format!("runs/{name}/seed-42/results.json"))).unwrap();
        let stored: Value = serde_json::from_slice(&stored).unwrap();
        // Two each for training, development and the two tests.
        assert_eq!(stored["data"]["n"], json!(8 + n), "{name}");
        assert_eq!(stored["data"]["n_without_tokens"], json!(n_without), "{name}");
    }
}

/// Held-out pairs are truncated, and without tokens, as labeled examples are.
#[test]
fn a_run_of_retrieval_tells_what_its_held_out_pairs_lost() {
    let folder = folder();
    let path = folder.path();
    let long = "Licht ".repeat(60);
    // Evenly spread over four pairs: the first three are held out.
    let pairs = format!("light\tlicht\n{NOTHING}\tan\noff\t{long}\nplease\tbitte\n");
    fs::write(path.join("de.tsv"), pairs).unwrap();
    let recipe = "[model]\nsource = \"xlm-roberta\"\n[task.retrieval]\n[data]\nsources = [\"en\"]\n\
                  [pairs]\npath = \"{language}.tsv\"\nlanguages = [\"de\"]\nheld_out = 3\n\
                  [[objective]]\nmethod.info_nce = {}\n[training]\nmax_steps = 1\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    let expected = ["cut       1 texts were too long and are cut off".to_owned(), line(1)];
    // A finished run tells the same again.
    for _ in 0..2 {
        let (_, told) = isogloss(path, "finetune recipe.toml --device flex");
        assert_eq!(counts(&told), expected, "{told}");
    }
    let (out, _) = isogloss(path, "finetune recipe.toml --device flex --json");
    assert_eq!((&data(&out)["n"], &data(&out)["n_without_tokens"]), (&json!(4), &json!(1)));
}

/// What is empty, or white space alone, is refused with its line where labels would be scored, and
/// so is a file without an example.
#[test]
fn empty_texts_and_files_are_refused_by_name() {
    let folder = folder();
    let path = folder.path();
    let message = |args: &str, name: &str, content: &str| {
        fs::write(path.join(name), content).unwrap();
        refused(path, &format!("{args} --device flex"))
    };
    let none = |name: &str| format!("error: {name}: no example in this file\n");
    for text in ["", " ", "\u{3000}"] {
        let line = json!({"text": text, "label": "greet", "slots": []}).to_string() + "\n";
        for model in ["bert", "bert-tokens"] {
            let found = message(&format!("evaluate {model} de.jsonl"), "de.jsonl", &line);
            assert_eq!(found, "error: de.jsonl:1: empty \"text\"\n");
        }
        let row = format!("text\tlabel\n{text}\tgreet\n");
        let found = message("evaluate bert de.tsv", "de.tsv", &row);
        assert_eq!(found, "error: de.tsv:2: empty \"text\"\n");
        let pair = format!("light\tlicht\nlight\t{text}\n");
        let found = message("retrieve xlm-roberta --pairs en-de.tsv", "en-de.tsv", &pair);
        assert_eq!(found, "error: en-de.tsv:2: empty \"right\"\n");
    }
    for (model, name, content) in [
        ("bert", "de.jsonl", ""),
        ("bert", "de.jsonl", "\n\n"),
        ("bert", "de.tsv", "text\tlabel\n"),
        ("bert", "de.csv", ""),
        ("bert-tokens", "de.conll", "\n# a comment\n\n"),
        ("parser", "de.conllu", "\n"),
    ] {
        let found = message(&format!("evaluate {model} {name}"), name, content);
        assert_eq!(found, none(name), "{content:?}");
    }
    for args in [
        "retrieve xlm-roberta --pairs en-de.tsv",
        "alignment xlm-roberta --pairs en-{language}.tsv",
        "align en-de.tsv --model xlm-roberta --layer 1",
    ] {
        assert_eq!(message(args, "en-de.tsv", ""), none("en-de.tsv"));
    }
    fs::write(path.join("en.txt"), "light\n").unwrap();
    let found = message("centring bert de.txt en.txt --source en", "de.txt", "\n \n");
    assert_eq!(found, none("de.txt"));
    fs::write(path.join("de.txt"), NOTHING).unwrap();
    let found = refused(path, "trim xlm-roberta --corpus de.txt --out trimmed");
    assert_eq!(found, "error: cannot trim the vocabulary: the texts have no pieces\n");
}
