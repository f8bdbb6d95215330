//! Resuming bad run folders: changed recipe, data or checkpoint.

use std::fs;
use std::path::Path;

use isogloss::{Outcome, RunStatus};
use isogloss_tests::copy_folder;
use isogloss_tests::runs::Workshop;
use serde_json::json;

use crate::folders::edit_json;
use crate::job::{Job, with_file};
use crate::{assert_refused, replace_bytes, truncate};

#[test]
fn another_recipe_needs_another_folder() {
    let mut job = Job::stopped();
    let good = job.recipe.clone();
    job.edit_recipe("1e-3", "2e-3");
    let folder = job.run.path().display().to_string();
    let parts = [folder.as_str(), "begun with another recipe", "--fresh"];
    assert_refused("another rate", job.run().0, &parts);
    job.assert_readable("another recipe", 5);
    job.recipe = good.clone();
    job.finish();

    // A finished run of another recipe is refused too.
    job.edit_recipe("1e-3", "2e-3");
    assert_refused("after the end", job.run().0, &parts);
    job.recipe = good;
    job.finish();

    let path = job.run.path().join("recipe.toml");
    let (outcome, _) = with_file(&path, Some(b"\xff"), || job.run());
    assert_refused("not UTF-8", outcome, &["run/recipe.toml: "]);
    job.finish();
}

#[test]
fn a_damaged_checkpoint_names_its_file_and_leaves_the_chosen_model() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &[&str]); 13] = [
        (
            "no state",
            |f| fs::remove_file(f.join("state.json")).unwrap(),
            &["state.json", "No such file"],
        ),
        ("no byte", |f| truncate(&f.join("state.json"), 0), &["state.json: EOF", "line 1"]),
        ("half a state", |f| truncate(&f.join("state.json"), 100), &["state.json: EOF", "line "]),
        (
            "no step",
            |f| edit_json(&f.join("state.json"), |s| s["step"] = json!(-1)),
            &["state.json: "],
        ),
        (
            "a step beyond the run",
            |f| edit_json(&f.join("state.json"), |s| s["step"] = json!(9)),
            &["state.json: step 9 of a run that has 8 steps"],
        ),
        (
            "a parameter of another model",
            |f| edit_json(&f.join("state.json"), |s| s["optimizer_steps"]["encoder.x"] = json!(1)),
            &["state.json: optimizer_steps: the model has no \"encoder.x\""],
        ),
        (
            "half of the weights",
            |f| truncate(&f.join("model.safetensors"), 50_000),
            &["model.safetensors: truncated"],
        ),
        ("no weights", |f| fs::remove_file(f.join("model.safetensors")).unwrap(), &["no weights"]),
        ("no config", |f| truncate(&f.join("config.json"), 0), &["config.json: EOF"]),
        (
            "other labels",
            |f| edit_json(&f.join("config.json"), |c| c["id2label"]["0"] = json!("dim")),
            &["config.json: its labels are not those of the training data"],
        ),
        (
            "half of the moments",
            |f| truncate(&f.join("optimizer/model.safetensors"), 50_000),
            &["optimizer/model.safetensors: truncated"],
        ),
        (
            "no moments",
            |f| fs::remove_dir_all(f.join("optimizer")).unwrap(),
            &["optimizer: no weights"],
        ),
        (
            "a moment under another name",
            |f| {
                let path = f.join("optimizer/model.safetensors");
                replace_bytes(&path, "first.head.classifier.bias", "first.head.classifier.vias");
            },
            &[
                "optimizer/model.safetensors: no tensor \"first.head.classifier.bias\", the nearest is",
            ],
        ),
    ];
    for (case, damage, parts) in cases {
        let job = Job::stopped();
        let folder = job.checkpoint(5);
        damage(&folder);
        let (outcome, told) = job.run();
        assert_refused(case, outcome, &[&[folder.to_str().unwrap()], parts].concat());
        assert!(told.losses.is_empty(), "{case}");
        job.assert_best_predicts(case);
        assert_eq!(job.run.status().unwrap(), RunStatus::Unfinished(5), "{case}");
    }
}

#[test]
fn a_checkpoint_of_another_format_is_named() {
    let job = Job::stopped();
    let path = job.checkpoint(5).join("state.json");
    edit_json(&path, |state| {
        state.as_object_mut().unwrap().remove("format");
    });
    // That version wrote the recipe in another form too.
    let recipe = job.run.path().join("recipe.toml");
    let written = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, written.replace("sources = [\"en\"]", "source = \"en\"")).unwrap();
    assert_ne!(fs::read_to_string(&recipe).unwrap(), written);
    let parts = ["state.json: a checkpoint of format 1; this version reads format 3", "--fresh"];
    assert_refused("an old checkpoint", job.run().0, &parts);
    fs::write(&recipe, written).unwrap();
    job.assert_best_predicts("an old checkpoint");
    edit_json(&path, |state| state["format"] = json!(3));
    job.finish();
}

#[test]
fn moments_of_other_sizes_are_named() {
    let job = Job::stopped();
    let path = job.checkpoint(5).join("optimizer/model.safetensors");
    // Two tensors swap their names; both are 32 wide in a layer, 64 in the other.
    let (up, down) = (
        "first.encoder.layers.0.feed_forward.up.bias",
        "first.encoder.layers.0.feed_forward.down.bias",
    );
    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    assert!(text.contains(up) && text.contains(down));
    let mut bytes = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut json: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let (first, second) = (json[up].take(), json[down].take());
    (json[up], json[down]) = (second, first);
    let mut text = serde_json::to_string(&json).unwrap();
    text.extend(std::iter::repeat_n(' ', header - 8 - text.len()));
    bytes[8..header].copy_from_slice(text.as_bytes());
    fs::write(&path, bytes).unwrap();
    let part = format!("tensor \"{down}\": expected shape [32], found [64]");
    assert_refused("swapped", job.run().0, &["optimizer/model.safetensors: ", &part]);
}

/// TensorAuto/OpenTau#502 (the same name with other contents), career-ops-hq/career-ops#2138 (the
/// same number of lines): a file name does not identify the data.
#[test]
fn a_run_does_not_go_on_with_other_data() {
    let job = Job::stopped();
    let refused = |case: &str, name: &str, content: &str| {
        let path = job.path("data").join(name);
        let (outcome, _) = with_file(&path, Some(content.as_bytes()), || job.run());
        let told = format!("{} has changed since this run began", path.display());
        assert_refused(case, outcome, &[&told, "--fresh", "run/data.json the run goes on"]);
    };
    let text = |name: &str| fs::read_to_string(job.path("data").join(name)).unwrap();
    let swapped = |name: &str| text(name).replacen("\"on\"", "\"off\"", 1);
    refused("a label", "en.train.jsonl", &swapped("en.train.jsonl"));
    refused("a dev label", "en.dev.jsonl", &swapped("en.dev.jsonl"));
    refused("a test label", "de.test.jsonl", &swapped("de.test.jsonl"));
    refused("a byte more", "en.test.jsonl", &(text("en.test.jsonl") + "\n"));

    job.assert_readable("other data", 5);

    // Files that the run does not read may change.
    fs::write(job.path("data/fr.test.jsonl"), "").unwrap();
    job.finish();
    // A finished run with other data is refused too; without its data, its results can still be
    // read.
    refused("after the end", "de.test.jsonl", &swapped("de.test.jsonl"));
    fs::remove_file(job.path("data/de.test.jsonl")).unwrap();
    job.finish();
}

/// A folder of the same name holds another model by now.
#[test]
fn a_run_does_not_go_on_with_another_model() {
    let job = Job::stopped();
    for name in ["tokenizer.json", "config.json"] {
        let path = job.path("model").join(name);
        // The same to every reader, so that the file itself is what is compared.
        let content = fs::read_to_string(&path).unwrap() + "\n";
        let (outcome, _) = with_file(&path, Some(content.as_bytes()), || job.run());
        let told = format!("{name} of the model has changed since this run began");
        assert_refused(name, outcome, &[&told, "--fresh"]);
    }
    let added = job.path("model/added_tokens.json");
    fs::write(&added, "{}").unwrap();
    let told = "added_tokens.json of the model is new since this run began";
    assert_refused("a new file", job.run().0, &[told]);
    fs::remove_file(added).unwrap();
    job.finish();
    // The results of a finished run can be read without its model.
    fs::remove_dir_all(job.path("model")).unwrap();
    job.finish();
}

#[test]
fn a_language_that_came_or_went_is_other_data() {
    let mut job = Job::new();
    job.edit_recipe("languages = [\"de\"]", "languages = \"all\"");
    job.run_until(Some(5)).0.unwrap();
    let german = job.path("data/de.test.jsonl");
    let (outcome, _) = with_file(&german, None, || job.run());
    let told = format!("{} is gone since this run began", german.display());
    assert_refused("a language less", outcome, &[&told]);
    let path = job.path("data/fr.test.jsonl");
    fs::copy(&german, &path).unwrap();
    let told = format!("{} is new since this run began", path.display());
    assert_refused("a new language", job.run().0, &[&told]);
    fs::remove_file(job.run.path().join("data.json")).unwrap();
    assert!(job.finish().languages.contains_key("fr"), "told to go on");
}

#[test]
fn files_of_pairs_views_and_texts_are_data_too() {
    let shop = Workshop::new().with_pairs();
    let plan = shop.plan(
        "epochs = 2\nbatch_size = 8\ncheckpoint_every = 1",
        &format!(
            "{}[[objective]]\nmethod.cross_entropy = {{}}\n[[objective]]\nmethod.realign = {{}}\n\
             [views]\ncode_switched = {{ dictionaries = {:?}, languages = [\"de\"], rate = 0.5 }}\n\
             [unlabeled]\npath = {:?}\n[centring]\npath = {:?}\n",
            shop.pairs_table(""),
            shop.path("views/{language}.txt"),
            shop.path("texts/{language}.txt"),
            shop.path("moved/{language}.txt"),
        ),
    );
    fs::create_dir(shop.path("views")).unwrap();
    fs::copy(shop.path("dictionaries/en-de.txt"), shop.path("views/de.txt")).unwrap();
    shop.write_texts();
    copy_folder(&shop.path("texts"), &shop.path("moved"));
    let run = shop.run("run");
    shop.stop_after(1, &plan, &run);
    for name in [
        "pairs/en-xx.tsv",
        "dictionaries/en-de.txt",
        "views/de.txt",
        "texts/xx.txt",
        "moved/de.txt",
    ] {
        let path = shop.path(name);
        let more = fs::read_to_string(&path).unwrap() + "on\tan\n";
        let outcome = with_file(&path, Some(more.as_bytes()), || shop.try_finish(&plan, &run));
        let told = format!("{} has changed", path.display());
        assert_refused(name, outcome, &[&told]);
    }
    shop.finish(&plan, &run);
}

/// PrimeIntellect-ai/prime-rl#1872: `--fresh` checks recipe and data before it removes anything.
#[test]
fn beginning_again_removes_nothing_before_recipe_and_data_are_checked() {
    let mut job = Job::new();
    job.finish();
    let (good, results) = (job.recipe.clone(), job.run.path().join("results.json"));
    let kept = fs::read(&results).unwrap();
    job.fresh = true;
    let path = job.path("data/de.test.jsonl");
    let bad = b"{\"text\": \"licht an\"}\n";
    for content in [None, Some(&bad[..])] {
        let (outcome, _) = with_file(&path, content, || job.run());
        assert_refused("faulty data", outcome, &["de.test.jsonl"]);
    }
    job.edit_recipe("max_length = 16", "max_lenght = 16");
    assert_refused("a faulty recipe", job.run().0, &["max_lenght"]);
    job.recipe = good.clone();
    job.edit_recipe("sources = [\"en\"]", "sources = [\"fr\"]");
    assert_refused("no data", job.run().0, &["fr.train.jsonl"]);
    job.recipe = good.clone();
    fs::rename(job.path("model"), job.path("elsewhere")).unwrap();
    assert_refused("no model", job.run().0, &["model"]);
    fs::rename(job.path("elsewhere"), job.path("model")).unwrap();
    assert_eq!(fs::read(&results).unwrap(), kept);
    job.assert_best_predicts("nothing removed");

    // Nor does it remove its own initial model.
    job.model = Some(job.run.best());
    let best = job.run.best().display().to_string();
    assert_refused("its own model", job.run().0, &[&best, "lies in the folder of the run"]);
    job.model = None;
    assert_eq!(fs::read(&results).unwrap(), kept);
    job.finish();
}

/// meta-pytorch/torchtune#481, broadinstitute/CellBender#241, deepinv/deepinv#525.
#[test]
fn two_processes_do_not_train_in_one_folder() {
    let job = Job::stopped();
    let lock = fs::File::options().write(true).open(job.run.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let folder = job.run.path().display().to_string();
    let (outcome, told) = job.run();
    assert_refused("another process", outcome, &[&folder, "another process trains in this folder"]);
    assert!(told.losses.is_empty());
    lock.unlock().unwrap();
    job.finish();
}

#[test]
fn data_that_has_changed_since_is_noticed() {
    let job = Job::stopped();
    fs::remove_file(job.run.path().join("data.json")).unwrap();
    let path = job.path("data/en.train.jsonl");
    let lines = fs::read_to_string(&path).unwrap();
    let with_third = format!("{lines}{{\"text\": \"play music\", \"label\": \"play\"}}\n");
    let (outcome, _) = with_file(&path, Some(with_third.as_bytes()), || job.run());
    assert_refused("a third label", outcome, &["config.json: its labels are not those", "--fresh"]);
    fs::remove_file(job.run.path().join("data.json")).unwrap();

    let two: Vec<_> = lines.lines().skip(3).take(2).collect();
    let (outcome, _) = with_file(&path, Some(two.join("\n").as_bytes()), || job.run());
    assert_refused("two examples", outcome, &["state.json: step 5 of a run that has 2 steps"]);
    job.assert_readable("changed data", 5);
    fs::remove_file(job.run.path().join("data.json")).unwrap();
    job.finish();
}

#[test]
fn a_lost_log_begins_anew_without_zeros() {
    let job = Job::stopped();
    let path = job.run.path().join("metrics.jsonl");
    fs::remove_file(&path).unwrap();
    job.finish();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"kind\":\"train\",\"step\":6,"), "{text:?}");
}

#[test]
fn damaged_results_are_named() {
    let job = Job::new();
    job.finish();
    let path = job.run.path().join("results.json");
    let good = fs::read(&path).unwrap();
    for len in [0, 1, good.len() / 2] {
        fs::write(&path, &good[..len]).unwrap();
        assert_refused("results", job.run().0, &["run/results.json: EOF", "line "]);
        job.assert_best_predicts("results");
    }
    fs::write(&path, good).unwrap();
    assert!(matches!(job.run().0, Ok(Outcome::Finished(_))));
}
