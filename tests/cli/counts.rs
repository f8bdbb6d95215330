//! The counts at the end of every command that reads data: texts that were truncated, words that
//! were lost, examples and pairs that were left out, as text and as JSON.

use std::fs;
use std::path::Path;

use isogloss_tests::copy_model;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{TAGGED, isogloss};

/// At 7 tokens, the first sentence of [`TAGGED`] loses its last three words: `in licht l i c` is
/// left. The soft hyphen has no token, and no model has the label `zzz`.
const FAULTY: &str = "licht O\n\u{ad} B-x\n\nbitte B-zzz\n\nküche B-zzz\n\n";

const LOST: [&str; 3] = [
    "cut       4 texts were too long and are cut off",
    "lost      13 words have no token, 12 cut off and 1 unknown to the tokenizer; in scores they count as wrong",
    "left out  2 examples with labels that are not learned: B-zzz (2)",
];

/// Temporary folder with a tagger, an encoder, and data that do not fit them in all ways.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    copy_model("bert-tokens", &folder.path().join("tagger"));
    copy_model("xlm-roberta", &folder.path().join("encoder"));
    let path = folder.path().join("tagger/tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let nothing = json!({"type": "Replace", "pattern": {"String": "\u{ad}"}, "content": ""});
    let steps = [tokenizer["normalizer"].clone(), nothing];
    tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": steps});
    fs::write(&path, tokenizer.to_string()).unwrap();
    write("de.conll", &(TAGGED.repeat(4) + FAULTY));
    let long = "Licht ".repeat(60);
    write("en-de.tsv", &format!("{long}\t{long}\nlight on\tLicht an\nplease\t{long}\n"));
    folder
}

/// The counts among the lines of the standard error.
pub(super) fn counts(err: &str) -> Vec<&str> {
    let starts = [
        "cut ",
        "no token ",
        "lost ",
        "left out ",
        "unseen ",
        "no spans ",
        "widened ",
        "untagged ",
        "single ",
        "unlinked ",
    ];
    err.lines().filter(|line| starts.iter().any(|start| line.starts_with(start))).collect()
}

/// The last JSON value of the standard output that has counts; `Null` if none has.
pub(super) fn data(out: &str) -> Value {
    let values = serde_json::Deserializer::from_str(out).into_iter::<Value>();
    let data = values.filter_map(|value| value.unwrap().get("data").cloned());
    data.last().unwrap_or_default()
}

/// Fails unless these counts of a data report are as expected, and all others 0.
#[track_caller]
fn assert_counts(what: &str, data: &Value, expected: &Value) {
    for field in [
        "n_truncated",
        "n_without_tokens",
        "n_words_lost",
        "n_words_cut",
        "n_without_spans",
        "n_spans_widened",
        "n_spans_untagged",
        "n_untranslated",
        "n_unlinked",
    ] {
        let wanted = expected.get(field).cloned().unwrap_or(json!(0));
        assert_eq!(data[field], wanted, "{what}: {field} in {data}");
    }
    let wanted = expected.get("left_out").cloned().unwrap_or(json!({}));
    assert_eq!(data["left_out"], wanted, "{what}: {data}");
    let wanted = expected.get("unseen").cloned().unwrap_or(json!({}));
    assert_eq!(data["unseen"], wanted, "{what}: {data}");
}

#[track_caller]
pub(super) fn assert_told(folder: &Path, args: &str, lines: &[&str], expected: &Value) {
    let (_, err) = isogloss(folder, args);
    assert_eq!(counts(&err), lines, "{args}: {err}");
    let (out, err) = isogloss(folder, &format!("{args} --json"));
    assert_counts(args, &data(&out), expected);
    assert_eq!(counts(&err), [""; 0], "{args} --json");
}

#[test]
fn commands_about_labeled_files_tell_what_they_lost() {
    let folder = folder();
    let expected = json!({"n_truncated": 4, "n_words_lost": 13, "n_words_cut": 12,
        "left_out": {"B-zzz": 2}});
    let options = "tagger de.conll --device flex --max-length 7 --unseen skip";
    for command in ["evaluate", "fisher --estimator empirical", "subnetwork --out masks"] {
        assert_told(folder.path(), &format!("{command} {options}"), &LOST, &expected);
    }
    // Nothing to tell.
    fs::write(folder.path().join("de.conll"), "licht O\nan B-x\n\n").unwrap();
    assert_told(folder.path(), &format!("evaluate {options}"), &[], &json!({}));
}

/// A parser's gold relations and parts of speech that it does not know count as wrong, which is told.
#[test]
fn labels_that_a_parser_does_not_know_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("parser", &path.join("parser"));
    let sentence =
        |relation: &str, tag: &str| format!("1\tlicht\t_\t{tag}\t_\t_\t0\t{relation}\t_\t_\n\n");
    let args = "evaluate parser de.conllu --unseen keep --device flex";
    let write = |text: String| fs::write(path.join("de.conllu"), text).unwrap();
    write(sentence("NMOD", "NOUN").repeat(2) + &sentence("nmod", "noun"));
    let line = "unseen    3 labels of words are not learned, and count as wrong in scores: NMOD (2), noun (1)";
    assert_told(path, args, &[line], &json!({"unseen": {"NMOD": 2, "noun": 1}}));
    write(sentence("nmod", "NOUN"));
    assert_told(path, args, &[], &json!({}));
    // A column without values is no annotation, and no score of 0.
    for (relation, tag, column) in [("_", "NOUN", "deprel"), ("nmod", "_", "upos")] {
        write(sentence(relation, tag).repeat(2));
        let error = super::refused(path, args);
        assert!(error.contains(&format!("de.conllu:1: empty {column:?}")), "{error}");
    }
}

/// Spans by character offsets that do not fit words: `licht-an` is one word of two spans, and the
/// span of `küc` ends inside a word.
#[test]
fn spans_inside_words_are_told() {
    let folder = folder();
    let span = |start: usize, end: usize| {
        format!("{{\"start\": {start}, \"end\": {end}, \"slot\": \"x\"}}")
    };
    let line = |text: &str, spans: &[String]| {
        format!("{{\"text\": {text:?}, \"slots\": [{}]}}\n", spans.join(", "))
    };
    let fits = line("in der küche an", &[span(7, 12), span(13, 15)]);
    let text = fits.clone() + &line("küche licht-an", &[span(0, 3), span(6, 11), span(12, 14)]);
    fs::write(folder.path().join("de.jsonl"), text).unwrap();
    let lines = [
        "widened   3 spans begin or end inside a word or token, which is tagged whole",
        "untagged  1 spans share all of their words with others or cover no word; they have no tag, and count as missed",
    ];
    let expected = json!({"n_spans_widened": 3, "n_spans_untagged": 1});
    assert_told(folder.path(), "evaluate tagger de.jsonl --device flex", &lines, &expected);
    fs::write(folder.path().join("de.jsonl"), fits).unwrap();
    assert_told(folder.path(), "evaluate tagger de.jsonl --device flex", &[], &json!({}));
}

/// A span of white space alone and a span inside the word of another one are gold spans that no tag
/// can stand for: they are missed, as words without a token are.
#[test]
fn spans_without_a_tag_count_as_missed() {
    let (folder, _, _) = super::finished();
    let best = super::best(folder.path());
    let scores = |slots: &[(usize, usize)]| {
        let slot = |(start, end): &(usize, usize)| json!({"start": start, "end": end, "slot": "x"});
        let slots: Vec<Value> = slots.iter().map(slot).collect();
        let line = json!({"text": "küche in", "slots": slots}).to_string();
        fs::write(folder.path().join("de.jsonl"), line + "\n").unwrap();
        let (out, _) =
            isogloss(folder.path(), &format!("evaluate {best} de.jsonl --device flex --json"));
        let found: Value = serde_json::from_str(&out).unwrap();
        let of = &found["languages"]["de"];
        ["precision", "recall", "span_f1"].map(|score| of[score].as_f64().unwrap())
    };
    assert_eq!(scores(&[(0, 5)]), [1.0, 1.0, 1.0]);
    assert_eq!(scores(&[(0, 5), (5, 6)]), [1.0, 0.5, 2.0 / 3.0]);
    assert_eq!(scores(&[(0, 3), (3, 5)]), [1.0, 0.5, 2.0 / 3.0]);
    assert_eq!(scores(&[(0, 3), (3, 5), (5, 6)]), [1.0, 1.0 / 3.0, 0.5]);
}

#[test]
fn predict_tells_how_many_texts_were_cut() {
    let folder = folder();
    let texts = "--max-length 3 licht lichtlicht kücheküche";
    let args = format!("predict tagger --device flex {texts}");
    let line = "cut       2 texts were too long and are cut off";
    assert_told(folder.path(), &args, &[line], &json!({"n": 3, "n_truncated": 2}));
    let (out, _) = isogloss(folder.path(), "predict tagger --device flex --json licht");
    assert_eq!(data(&out), Value::Null);
}

#[test]
fn commands_about_pairs_tell_what_they_cut() {
    let folder = folder();
    // The encoder takes 40 tokens.
    let line = ["cut       3 texts were too long and are cut off"];
    let expected = json!({"n_truncated": 3});
    for args in [
        "retrieve encoder --device flex --pairs en-de.tsv",
        "alignment encoder --device flex --pairs en-{language}.tsv --languages de",
    ] {
        assert_told(folder.path(), args, &line, &expected);
    }
    // Words that cannot be linked: 38 tokens are those of seven of 60 words, with six tokens each.
    let lost = "lost      159 words have no token, 159 cut off and 0 unknown to the tokenizer; in scores they count as wrong";
    let expected = json!({"n_truncated": 3, "n_words_lost": 159, "n_words_cut": 159});
    let args = "align en-de.tsv --model encoder --layer 1 --device flex";
    assert_told(folder.path(), args, &[line[0], lost], &expected);
}

#[test]
fn a_run_tells_what_it_lost() {
    let folder = folder();
    let path = folder.path();
    for name in ["en.train", "en.dev", "en.test", "de.test"] {
        fs::write(path.join(format!("{name}.conll")), TAGGED.repeat(4)).unwrap();
    }
    fs::write(path.join("de.test.conll"), TAGGED.repeat(4) + FAULTY).unwrap();
    let recipe = "[model]\nsource = \"tagger\"\nmax_length = 7\n[task.tagging]\nunits = \"word\"\n\
                  [data]\npath = \"{language}.{split}.conll\"\nsources = [\"en\"]\n\
                  languages = [\"de\"]\nunseen_labels = \"skip\"\n[training]\nmax_steps = 1\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    // Four files with four long sentences each.
    let expected = json!({"n_truncated": 16, "n_words_lost": 49, "n_words_cut": 48,
        "left_out": {"B-zzz": 2}});
    let lines = [
        "cut       16 texts were too long and are cut off",
        "lost      49 words have no token, 48 cut off and 1 unknown to the tokenizer; in scores they count as wrong",
        LOST[2],
    ];
    for command in ["finetune recipe.toml", "sweep recipe.toml --seeds 1"] {
        let (_, err) = isogloss(path, &format!("{command} --device flex --out text"));
        let told = counts(&err);
        assert!(told.ends_with(&lines), "{command}: {err}");
        let (out, _) = isogloss(path, &format!("{command} --device flex --out json --json"));
        assert_counts(command, &data(&out), &expected);
        // Shown again, a finished run tells the same.
        let (_, err) = isogloss(path, &format!("{command} --device flex --out text"));
        assert!(counts(&err).ends_with(&lines), "{command}: {err}");
        let (out, _) = isogloss(path, &format!("{command} --device flex --out json --json"));
        assert!(!out.contains("\"event\":\"step\""), "{command}: {out}");
        assert_counts(command, &data(&out), &expected);
        fs::remove_dir_all(path.join("text")).unwrap();
        fs::remove_dir_all(path.join("json")).unwrap();
    }
}

/// A finished run of an earlier version has no counts: none are shown, rather than zeros.
#[test]
fn counts_that_are_not_stored_are_not_shown_as_zero() {
    let folder = folder();
    let path = folder.path();
    for name in ["en.train", "en.dev", "en.test"] {
        fs::write(path.join(format!("{name}.conll")), TAGGED).unwrap();
    }
    let recipe = "[model]\nsource = \"tagger\"\n[task.tagging]\n[data]\n\
                  path = \"{language}.{split}.conll\"\nsources = [\"en\"]\nlanguages = []\n\
                  [training]\nmax_steps = 1\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    let command = "finetune recipe.toml --device flex";
    isogloss(path, command);
    let stored = path.join("runs/recipe/seed-42/results.json");
    let mut results: Value = serde_json::from_slice(&fs::read(&stored).unwrap()).unwrap();
    assert_eq!(results["data"]["n"], json!(3 * TAGGED.split("\n\n").count() - 3));
    results.as_object_mut().unwrap().remove("data");
    fs::write(&stored, results.to_string()).unwrap();
    let (_, err) = isogloss(path, command);
    assert!(err.contains("counts    of an earlier version"), "{err}");
    let (out, _) = isogloss(path, &format!("{command} --json"));
    assert!(
        out.contains(r#"{"event":"counts","data":null}"#)
            || out.contains(r#"{"data":null,"event":"counts"}"#),
        "{out}"
    );
}

#[test]
fn align_writes_an_object_a_pair() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("en-de.tsv"), "light off\tLicht aus\nplease\tbitte\n").unwrap();
    fs::write(path.join("en-de.dic"), "light Licht\noff aus\n").unwrap();
    fs::write(path.join("gold"), "0-0 1-1\n0-0\n").unwrap();
    let args = "align en-de.tsv --dictionary en-de.dic --gold gold --json";
    let lines = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (out, err) = isogloss(path, args);
    assert_eq!(err, "");
    let found = lines(&out);
    assert_eq!(found.len(), 3, "{out}");
    let first = json!({"left": "light off", "right": "Licht aus", "links": [[0, 0], [1, 1]]});
    assert_eq!(found[0], first);
    assert_eq!(found[1], json!({"left": "please", "right": "bitte", "links": []}));
    assert_eq!((&found[2]["n_links"], &found[2]["data"]["n"]), (&json!(2), &json!(2)));
    // Of 3 sure links 2 are found, and nothing else: 1 - (2 + 2) / (2 + 3).
    let scores = &found[2]["scores"];
    assert_eq!((&scores["precision"], &scores["recall"]), (&json!(1.0), &json!(2.0 / 3.0)));
    assert!((scores["error_rate"].as_f64().unwrap() - 0.2).abs() < 1e-12, "{scores}");
    // With --out, the pairs are in the file and the counts on the standard output.
    let (out, _) = isogloss(path, &format!("{args} --out links.jsonl"));
    assert_eq!(lines(&out), found[2..]);
    assert_eq!(lines(&fs::read_to_string(path.join("links.jsonl")).unwrap()), found[..2]);
}

/// Pairs as `csv.writer` quotes them have the same scores as without quotes; flags say otherwise.
#[test]
fn quoted_pairs_are_read_as_text_without_quotes() {
    let folder = folder();
    let path = folder.path();
    let plain = "light \"on\" please\tLicht an\nplease\tbitte\nlamp\tdas licht\n";
    fs::write(path.join("plain.tsv"), plain).unwrap();
    let quoted = "\"light \"\"on\"\" please\"\tLicht an\nplease\tbitte\nlamp\tdas licht\n";
    fs::write(path.join("quoted.tsv"), quoted).unwrap();
    let align = |file: &str, flag: &str| {
        isogloss(
            path,
            &format!("align {file} --model encoder --layer 1 --device flex --json{flag}"),
        )
        .0
    };
    let expected = align("plain.tsv", "");
    assert!(expected.contains(r#"light \"on\" please"#), "{expected}");
    assert_eq!(align("quoted.tsv", ""), expected);
    assert_eq!(align("quoted.tsv", " --quoting minimal"), expected);
    assert_eq!(align("plain.tsv", " --quoting none"), expected);
    assert_ne!(align("quoted.tsv", " --quoting none"), expected);
    let retrieve = |file: &str| {
        let args = format!("retrieve encoder --pairs {file} --device flex");
        let (out, _) = isogloss(path, &args);
        out.replace(file, "").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(retrieve("quoted.tsv"), retrieve("plain.tsv"));
}
