//! Bad data files and tokenizers: every error names the file, and the line if there is one.

use std::fs;

use isogloss::Outcome;

use crate::assert_refused;
use crate::folders::{add_tokens, edit_json};
use crate::job::{Job, with_file};

/// Bad file: its name, its content (`None`: it is missing), and parts of the error message.
type Case = (&'static str, Option<&'static [u8]>, &'static [&'static str]);

const CASES: &[Case] = &[
    ("en.train.jsonl", Some(b""), &["en.train.jsonl: no example in this file"]),
    ("en.train.jsonl", None, &["en.train.jsonl: cannot be read"]),
    ("en.dev.jsonl", Some(b"\n\n"), &["en.dev.jsonl: no example in this file"]),
    ("de.test.jsonl", Some(b""), &["de.test.jsonl: no example in this file"]),
    ("de.test.jsonl", Some(b"\xef\xbb\xbf"), &["de.test.jsonl: no example in this file"]),
    // `languages` in the recipe names this language.
    ("de.test.jsonl", None, &["de.test.jsonl: cannot be read"]),
    (
        "de.test.jsonl",
        Some(b"{\"text\": \"licht an\", \"label\": \"on\"}\n{\"text\": \"t\xfcr\", \"label\": \"on\"}\n"),
        &["de.test.jsonl:2: not valid UTF-8"],
    ),
    (
        "en.train.jsonl",
        Some(b"{\"text\": \"on\", \"label\": \"on\"}\n{\"text\": \"\", \"label\": \"on\"}\n"),
        &["en.train.jsonl:2: empty \"text\""],
    ),
    (
        "en.train.jsonl",
        Some(b"{\"text\": \"on\", \"label\": \"on\"}\n\n{\"text\": \"off\", \"label\": \"off\"}\n"),
        &["en.train.jsonl:2: empty line"],
    ),
    (
        "en.train.jsonl",
        Some(b"{\"text\": \"on\", \"label\": \"on\"}\n{\"text\": \"\\u00a0 \", \"label\": \"on\"}\n"),
        &["en.train.jsonl:2: empty \"text\""],
    ),
    (
        "en.train.jsonl",
        Some(b"{\"text\": \"on\", \"label\": \"\"}\n"),
        &["en.train.jsonl:1: empty \"label\""],
    ),
    (
        "en.train.jsonl",
        Some(b"{\"text\": \"on\", \"label\": \"on\"}\n{\"text\": \"off\"}\n"),
        &["en.train.jsonl:2: no field \"label\""],
    ),
    ("en.train.jsonl", Some(b"{\"text\": \"on\"}\n"), &["en.train.jsonl:1: no field \"label\"; data.columns.label says"]),
    (
        "en.dev.jsonl",
        Some(b"{\"txet\": \"on\", \"label\": \"on\"}\n"),
        &["en.dev.jsonl:1: no field \"text\", did you mean \"txet\"?"],
    ),
    (
        "en.dev.jsonl",
        Some(b"{\"text\": \"on\", \"label\": \"on\"}\n{\"text\": \"off\", \"label\": \n"),
        &["en.dev.jsonl:2:", "EOF"],
    ),
    (
        "en.dev.jsonl",
        Some(b"{\"text\": [\"on\"], \"label\": \"on\"}\n"),
        &["en.dev.jsonl:1: \"text\" must be a string, found a list"],
    ),
    ("en.dev.jsonl", Some(b"turn on\ton\n"), &["en.dev.jsonl:1:"]),
    (
        "en.dev.jsonl",
        Some(b"{\"text\": \"on\", \"label\": \"on\"}\n{\"text\": \"off\", \"label\": \"of\"}\n"),
        &["en.dev.jsonl:2: unknown label \"of\", did you mean \"off\"?"],
    ),
    (
        "de.test.jsonl",
        Some(b"{\"text\": \"an\", \"label\": \"on\"}\n{\"text\": \"musik\", \"label\": \"play\"}\n"),
        &["de.test.jsonl:2: unknown label \"play\""],
    ),
];

/// Labels that a table with gaps has turned into fractions, or scores of a regression.
#[test]
fn a_fraction_is_no_class() {
    let job = Job::new();
    let path = job.path("data/de.test.jsonl");
    for label in ["1.0", "3.8"] {
        let lines = format!(
            "{{\"text\": \"licht an\", \"label\": \"on\"}}\n{{\"text\": \"licht\", \"label\": {label}}}\n"
        );
        std::fs::write(&path, lines).unwrap();
        let expected = [
            "de.test.jsonl:2: \"label\" must be the name of a class, or its number as an integer",
            label,
        ];
        assert_refused(label, job.run().0, &expected);
    }
}

#[test]
fn a_fault_names_file_and_line_and_leaves_the_run_as_it_was() {
    let job = Job::stopped();
    for (name, content, parts) in CASES {
        let case = format!("{name} with {:?}", content.map(String::from_utf8_lossy));
        let path = job.path("data").join(name);
        let folder = path.parent().unwrap().display().to_string();
        let (outcome, told) = with_file(&path, *content, || job.run());
        assert_refused(&case, outcome, &[&[folder.as_str()], *parts].concat());
        assert!(told.losses.is_empty(), "{case}: no step before the data is known");
        job.assert_readable(&case, 5);
        job.assert_best_predicts(&case);
    }
    job.finish();
}

#[test]
fn a_language_that_is_named_must_be_there() {
    let mut job = Job::new();
    job.edit_recipe("[\"de\"]", "[\"de\", \"fr\"]");
    assert_refused("no file", job.run().0, &["fr.test.jsonl: cannot be read"]);
    job.edit_recipe("[\"de\", \"fr\"]", "\"all\"");
    let results = job.finish();
    assert_eq!(results.languages.keys().collect::<Vec<_>>(), ["de", "en"]);
}

#[test]
fn tables_name_the_line_of_a_missing_column() {
    for (extension, lines, parts) in [
        (
            "tsv",
            "text\tlabel\nturn on\ton\nturn off\n",
            &["en.train.tsv:3: expected 2 columns, found 1"][..],
        ),
        ("tsv", "turn on\nturn off\n", &["en.train.tsv:1: no column \"text\""]),
        ("tsv", "text\nturn on\n", &["en.train.tsv:1: no column \"label\""]),
        ("tsv", "text\tlabel\n\nturn on\ton\n", &["en.train.tsv:2: empty line"]),
        ("tsv", "text\tlabel\nturn on\t \n", &["en.train.tsv:2: empty \"label\""]),
        (
            "csv",
            "text,label\nturn on,on\nturn off\n",
            &["en.train.csv:3: expected 2 columns, found 1"],
        ),
        ("csv", "text,label\n\"turn on,on\n", &["en.train.csv:2: a quoted field is never closed"]),
        ("conll", "turn O\non\n", &["en.train.conll:2: expected at least 2 columns, found 1"]),
        ("conllu", "1\tturn\n", &["en.train.conllu:1: expected 10 columns, found 2"]),
    ] {
        let mut job = Job::new();
        job.edit_recipe(".jsonl", &format!(".{extension}"));
        fs::write(job.path("data").join(format!("en.train.{extension}")), lines).unwrap();
        assert_refused(lines, job.run().0, parts);
    }
}

#[test]
fn parts_of_speech_are_read_from_words_with_tags_that_are_of_no_span() {
    let mut job = Job::new();
    job.edit_recipe("[data]", "[task.pos_tagging]\n[data]");
    assert_refused("texts", job.run().0, &["en.train.jsonl:1: pos_tagging reads words with a tag"]);
    job.edit_recipe(".{split}.jsonl", ".{split}.conll");
    let good = "turn VERB\non ADP\n\nthe DET\nlight NOUN\n";
    for name in ["en.train", "en.dev", "en.test", "de.test"] {
        fs::write(job.path("data").join(format!("{name}.conll")), good.repeat(2)).unwrap();
    }
    let spans = "turn O\non O\n\nthe O\nlight B-thing\n";
    let unknown = "turn VERB\non ADP\n\nthe DET\nlight PROPN\n";
    for (file, text, part) in [
        ("en.train", spans, "en.train.conll:4: pos_tagging reads words with a tag each"),
        ("de.test", spans, "de.test.conll:4: pos_tagging reads words with a tag each"),
        ("de.test", unknown, "de.test.conll:4: unknown label \"PROPN\""),
        ("en.dev", "turn\n", "en.dev.conll:1: expected at least 2 columns, found 1"),
    ] {
        let path = job.path("data").join(format!("{file}.conll"));
        let (outcome, _) = with_file(&path, Some(text.as_bytes()), || job.run());
        assert_refused(part, outcome, &[part]);
    }
    job.finish();
}

#[test]
fn labels_that_training_has_not_seen_are_skipped_and_counted_where_the_recipe_says_so() {
    let mut job = Job::new();
    job.edit_recipe("sources = [\"en\"]", "sources = [\"en\"]\nunseen_labels = \"skip\"");
    let path = job.path("data/de.test.jsonl");
    let unseen = "{\"text\": \"musik\", \"label\": \"play\"}\n";

    fs::write(&path, unseen.repeat(3)).unwrap();
    let parts = ["de.test.jsonl: no example is left"];
    assert_refused("nothing is left", job.run().0, &parts);

    let seen = "{\"text\": \"an\", \"label\": \"on\"}\n";
    fs::write(&path, [seen, unseen, unseen, seen].concat()).unwrap();
    let (outcome, told) = job.run();
    let Ok(Outcome::Finished(results)) = outcome else { panic!("{outcome:?}") };
    let report = &told.data[2];
    assert_eq!((report.n, report.n_left_out()), (2, 2));
    assert_eq!(report.left_out.get("play"), Some(&2));
    let german = &results.languages["de"];
    assert_eq!((german.n, german.left_out), (2, 2));
    assert!(german.scores.get("macro_f1").is_some());
}

#[test]
fn long_texts_are_cut_counted_and_reported() {
    let mut job = Job::new();
    // Longer than the 40 positions of the model, too.
    job.edit_recipe("max_length = 16", "max_length = 1000");
    let line = format!(
        "{{\"text\": \"{}\", \"label\": \"on\"}}\n",
        "turn on the light ".repeat(500).trim_end()
    );
    for name in ["en.train.jsonl", "de.test.jsonl"] {
        let path = job.path("data").join(name);
        let lines = fs::read_to_string(&path).unwrap();
        fs::write(path, lines + &line).unwrap();
    }
    let (outcome, told) = job.run();
    let Ok(Outcome::Finished(results)) = outcome else { panic!("{outcome:?}") };
    for report in [&told.data[0], &told.data[2]] {
        assert_eq!((report.n_truncated, report.longest), (1, 2002));
    }
    assert_eq!((results.languages["de"].truncated, results.languages["en"].truncated), (1, 0));
}

#[test]
fn a_length_without_room_for_text_is_refused() {
    let mut job = Job::new();
    job.edit_recipe("max_length = 16", "max_length = 2");
    assert_refused(
        "two tokens",
        job.run().0,
        &["recipe.toml:3:1: model.max_length: expected at least 3"],
    );
}

#[test]
fn a_tokenizer_must_fit_the_embedding() {
    let job = Job::stopped();
    let path = job.path("model/tokenizer.json");
    let good = fs::read(&path).unwrap();
    edit_json(&path, add_tokens);
    let parts = ["model/tokenizer.json: the tokenizer has 130 tokens", "embedding only 120 rows"];
    assert_refused("130 tokens", job.run().0, &parts);
    for (case, content) in
        [("nothing", &b""[..]), ("half", &good[..good.len() / 2]), ("no tokenizer", b"{}")]
    {
        let (outcome, _) = with_file(&path, Some(content), || job.run());
        assert_refused(case, outcome, &["model/tokenizer.json: not a usable tokenizer: "]);
    }
    job.assert_readable("tokenizer", 5);
    fs::write(&path, good).unwrap();
    job.finish();
}

/// huggingface/datasets#5693, flairNLP/flair#480: the splits are files beside each other.
#[test]
fn files_of_splits_and_of_languages_by_name_are_no_languages() {
    let mut job = Job::new();
    job.edit_recipe("languages = [\"de\"]", "languages = \"all\"");
    for name in ["test", "english", "de-train", "dev", "README"] {
        let path = job.path(&format!("data/{name}.test.jsonl"));
        fs::copy(job.path("data/de.test.jsonl"), &path).unwrap();
        let told = format!("{}: {name:?} is not a language tag", path.display());
        assert_refused(name, job.run().0, &[&told, "list the languages in place of all"]);
        fs::remove_file(path).unwrap();
    }
    // Files whose names are not languages are ignored.
    fs::write(job.path("data/notes_2.test.jsonl"), "").unwrap();
    job.finish();
}
