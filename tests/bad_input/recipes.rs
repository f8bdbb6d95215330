//! Bad recipes: all faults are reported at once, each with its line and column.

use std::fs;

use isogloss::{Error, Plan};

use crate::assert_refused;

const GOOD: &str = "[model]
source = \"models/tiny\"
[data]
path = \"data/{language}.jsonl\"
sources = [\"en\"]
";

fn plan(text: &str) -> Result<Plan, Error> {
    Ok(Plan::from_toml(text, "r.toml".as_ref())?)
}

#[test]
fn each_fault_has_its_place() {
    plan(GOOD).unwrap();
    for (case, text, parts) in [
        (
            "an unknown table",
            "[trainning]\nepochs = 3\n",
            &["r.toml:6:2: unknown field `trainning`"][..],
        ),
        (
            "an unknown key",
            "[training]\n  epoch = 3\n",
            &["r.toml:7:3: unknown field `epoch`", "`epochs`"],
        ),
        (
            "an unknown key in braces",
            "[optimizer]\nadamw = { beta = 1 }\n",
            &["r.toml:7:11: unknown field `beta`"],
        ),
        (
            "an unknown key in dots",
            "[optimizer]\nadamw.beta = 1\n",
            &["r.toml:7:7: unknown field `beta`"],
        ),
        (
            "an unknown method",
            "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.r_dorp = {}\n",
            &["r.toml:9:", "unknown variant `r_dorp`", "cross_entropy"],
        ),
        (
            "a text for a number",
            "[training]\nepochs = \"3\"\n",
            &["r.toml:7:10: invalid type: string"],
        ),
        ("a negative count", "[training]\nbatch_size = -1\n", &["r.toml:7:14: "]),
        (
            "zero",
            "[training]\nbatch_size = 0\n",
            &["r.toml:7:1: training.batch_size: expected at least 1"],
        ),
        (
            "no number",
            "[optimizer]\nlearning_rate = nan\n",
            &["r.toml:7:1: optimizer.learning_rate"],
        ),
        (
            "no room",
            "[training]\nfrozen.disk_gib = -1.0\n",
            &["training.frozen.disk_gib: expected zero or more, found -1"],
        ),
        (
            "a cache of what is never the same",
            "[training]\nfrozen.memory_gib = 2.0\n",
            &["r.toml:7:8: training.frozen.memory_gib", "training.frozen.dropout = false"],
        ),
        ("beyond all numbers", "seed = 99999999999999999999\n", &["r.toml:6:"]),
        ("a key twice", "[training]\nepochs = 1\nepochs = 2\n", &["r.toml:8:1: duplicate key"]),
        ("a table twice", "[model]\nmax_length = 9\n", &["r.toml:6:"]),
        ("no end", "[training]\norder = \"grouped\n", &["r.toml:7:"]),
        ("no TOML", "{\"seed\": 1}\n", &["r.toml:6:"]),
        ("no language", "[data.columns]\ntext = 1\n", &["r.toml:7:8: invalid type"]),
    ] {
        assert_refused(case, plan(&format!("{GOOD}{text}")), parts);
    }
    let seed = plan(&format!("seed = 5000000000000000000\n{GOOD}"));
    assert_refused("beyond all seeds", seed, &["r.toml:1:", "seed", "below 2^62"]);
    // A fault gives one message in each way of writing it.
    for text in [
        "optimizer.adamw = { beta = 1 }\nheader = false\n",
        "a.b.c = [\n{ d = 1 },\n]\nheader = true\n",
    ] {
        let Err(error) = Plan::from_toml(&format!("{GOOD}{text}"), "r.toml".as_ref()) else {
            panic!("{text:?}: no error")
        };
        assert_eq!(error.faults.len(), 1, "{error}");
        assert_refused(text, Err::<(), _>(error), &["r.toml:6:1: unknown field `"]);
    }
    let tag = GOOD.replace("\"en\"", "\"english language\"");
    assert_refused("no language", plan(&tag), &["r.toml:5:11: ", "english language"]);
}

/// starship/starship#2560, lance0/rustbgpd#993, piskoviste/pisek#163 (words in another order),
/// gacela-project/gacela#738 and home-assistant/core#182124 (no similar key: no suggestion).
#[test]
fn an_unknown_key_names_its_nearest_first() {
    for (text, expected) in [
        (
            "[training]\nepoch = 3\n",
            "unknown field `epoch`: did you mean `epochs`? expected one of",
        ),
        ("[trainning]\n", "unknown field `trainning`: did you mean `training`? expected one of"),
        (
            "[training]\nsize_batch = 3\n",
            "unknown field `size_batch`: did you mean `batch_size`? expected one of",
        ),
        (
            "[optimizer]\nlearning_rates = 1.0\n",
            "unknown field `learning_rates`: did you mean `learning_rate`? expected one of",
        ),
        (
            "[[objective]]\nmethod.r_dorp = {}\n",
            "unknown variant `r_dorp`: did you mean `r_drop`? expected one of",
        ),
        ("[task.taging]\n", "unknown variant `taging`: did you mean `tagging`? expected one of"),
        // A key that belongs to another table.
        (
            "[training]\nlearning_rate = 1.0\n",
            "unknown field `learning_rate`: did you mean `learning_rate` of [optimizer]? expected",
        ),
        ("[training]\nxyzzy = 3\n", "unknown field `xyzzy`, expected one of `epochs`"),
    ] {
        assert_refused(text, plan(&format!("{GOOD}{text}")), &[expected]);
    }
}

#[test]
fn all_faults_come_at_once() {
    let text = "[model]\nsuorce = \"x\"\nmax_length = 1\n[data]\npath = \"d.jsonl\"\n[training]\nepochs = 0\n\
                batch_size = \"many\"\n[optimizer]\nwarmup_ratio = 1.5\n";
    let parts = [
        "r.toml:2:1: unknown field `suorce`",
        "r.toml:3:1: model.max_length",
        "r.toml:4:2: data.sources: name the language",
        "r.toml:5:1: data.path: expected {language}",
        "r.toml:7:1: training.epochs",
        "r.toml:8:14: invalid type",
        "r.toml:10:1: optimizer.warmup_ratio",
    ];
    assert_refused("many", plan(text), &parts);
    assert_refused("nothing at all", plan(""), &["model.source", "data.path", "data.sources"]);
}

#[test]
fn a_recipe_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.toml");
    assert_refused("no file", Plan::from_file(&path), &["r.toml: No such file"]);
    fs::write(&path, b"seed = 1\n# \xc3\xa4 \xff\n").unwrap();
    assert_refused("not UTF-8", Plan::from_file(&path), &["r.toml:2:5: not valid UTF-8"]);
    assert_refused(
        "a folder",
        Plan::from_file(folder.path()),
        &[&folder.path().display().to_string()],
    );
}

#[test]
fn depth_has_an_end() {
    for open in ["[", "{a=", "[[", "[a."] {
        let text = format!("x = {}", open.repeat(50_000));
        assert!(plan(&text).is_err(), "{open}");
        assert!(plan(&open.repeat(50_000)).is_err(), "{open}");
    }
}
