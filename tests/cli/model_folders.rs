//! Training from folders of adapters whose base is named on the command line, and fields of a
//! model's configuration that are not used.

use std::fs;
use std::path::Path;

use isogloss_tests::{copy_folder, copy_model, fixtures};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{TAGGED, isogloss, refused};

/// Temporary folder with a classifier `model`, adapters of `peft` for it whose base is a folder
/// that is not here, and texts in two languages.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert", &path.join("model"));
    copy_folder(&fixtures().join("adapters/lora-head"), &path.join("peft"));
    name_base(path, "elsewhere/bert");
    let texts = |shift: usize| -> String {
        let words = ["licht an", "küche", "bitte licht", "in der küche", "an an"];
        let labels = ["greet", "ask", "order", "thank", "leave"];
        let line = |n: usize| {
            let (text, label) = (words[(n + shift) % 5], labels[n % 5]);
            json!({"text": text, "label": label}).to_string() + "\n"
        };
        (0..15).map(line).collect()
    };
    for (name, shift) in [("en.train", 0), ("en.dev", 0), ("en.test", 0), ("de.test", 1)] {
        fs::write(path.join(format!("{name}.jsonl")), texts(shift)).unwrap();
    }
    fs::copy(path.join("de.test.jsonl"), path.join("de.jsonl")).unwrap();
    folder
}

/// Names the base in the configuration of the adapters.
fn name_base(folder: &Path, name: &str) {
    edit(&folder.join("peft/adapter_config.json"), "base_model_name_or_path", &json!(name));
}

fn edit(path: &Path, field: &str, value: &Value) {
    let mut json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    json[field] = value.clone();
    fs::write(path, json.to_string()).unwrap();
}

/// Writes a recipe that begins with a model, with the labels in the order of the adapters' head.
fn write_recipe(folder: &Path, name: &str, model: &str, tables: &str) {
    let recipe = format!(
        "seed = 1\n[model]\nsource = {model:?}\nhead = \"new\"\n[task.classification]\n\
         [data]\npath = \"{{language}}.{{split}}.jsonl\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
         label_names = [\"greet\", \"ask\", \"order\", \"thank\", \"leave\"]\n\
         [optimizer]\nlearning_rate = 1e-2\n[training]\nepochs = 2\nbatch_size = 4\n{tables}"
    );
    fs::write(folder.join(format!("{name}.toml")), recipe).unwrap();
}

/// The results of a run, and the folder of its best model.
fn results(folder: &Path, name: &str) -> (Value, String) {
    let best = format!("runs/{name}/seed-1/best");
    let path = folder.join(&best).with_file_name("results.json");
    let results: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    (results["languages"].clone(), best)
}

#[test]
fn the_base_of_adapters_is_named_by_a_flag() {
    let folder = folder();
    let path = folder.path();
    write_recipe(path, "further", "peft", "");
    write_recipe(path, "above", "peft", "[adapter.seq_bn]\nreduction_factor = 2\n");
    let distills = "[teacher]\nsource = \"peft\"\n[[objective]]\nmethod.cross_entropy = {}\n\
                    [[objective]]\nmethod.model_consistency = { text = \"original\" }\n";
    write_recipe(path, "taught", "model", distills);
    for name in ["further", "above", "taught"] {
        let command = format!("finetune {name}.toml --device flex --offline");
        let error = refused(path, &command);
        assert!(error.contains("--base"), "{name}: {error}");
        isogloss(path, &format!("{command} --base model"));
        let (by_flag, best) = results(path, name);
        // The model of the run needs the flag no more.
        let evaluate = format!("evaluate {best} de.jsonl --device flex --json");
        let found: Value = serde_json::from_str(&isogloss(path, &evaluate).0).unwrap();
        assert_eq!(found["languages"]["de"], by_flag["de"], "{name}");
        // The same run with a base that the folder names.
        name_base(path, "../model");
        isogloss(path, &format!("{command} --fresh"));
        assert_eq!(results(path, name).0, by_flag, "{name}");
        name_base(path, "elsewhere/bert");
    }
}

#[test]
fn a_whole_model_takes_no_base() {
    let folder = folder();
    let path = folder.path();
    write_recipe(path, "whole", "model", "");
    for command in ["finetune whole.toml", "predict model licht", "inspect model"] {
        let device = if command.starts_with("inspect") { "" } else { " --device flex" };
        let error = refused(path, &format!("{command} --base model{device}"));
        assert!(error.contains("--base: model is a whole model"), "{command}: {error}");
    }
}

/// A run above adapters of `peft`, moved with them and their base, opens, and so does one moved alone.
#[test]
fn a_moved_run_finds_both_of_its_bases() {
    let folder = folder();
    let (above, path) = (folder.path(), folder.path().join("work"));
    fs::create_dir(&path).unwrap();
    for name in ["model", "peft", "en.train.jsonl", "en.dev.jsonl", "en.test.jsonl"] {
        fs::rename(above.join(name), path.join(name)).unwrap();
    }
    fs::copy(above.join("de.jsonl"), path.join("de.test.jsonl")).unwrap();
    write_recipe(&path, "above", "peft", "[adapter.seq_bn]\nreduction_factor = 2\n");
    isogloss(&path, "finetune above.toml --device flex --base model");
    let (expected, best) = results(&path, "above");
    let score = |model: &str| -> Value {
        let args = format!("evaluate {model} de.jsonl --device flex --json");
        let found: Value = serde_json::from_str(&isogloss(above, &args).0).unwrap();
        found["languages"]["de"].clone()
    };
    fs::rename(path.join(&best), above.join("alone")).unwrap();
    assert_eq!(score("alone"), expected["de"]);
    fs::rename(above.join("alone"), path.join(&best)).unwrap();
    fs::rename(&path, above.join("moved")).unwrap();
    assert_eq!(score(&format!("moved/{best}")), expected["de"]);
}

/// The base of a run's adapters is gone from where it was: the flag says where it is now.
#[test]
fn the_base_of_a_run_is_named_by_a_flag() {
    let folder = folder();
    let path = folder.path();
    write_recipe(path, "run", "model", "[adapter.seq_bn]\nreduction_factor = 2\n");
    isogloss(path, "finetune run.toml --device flex");
    let (expected, best) = results(path, "run");
    fs::rename(path.join("model"), path.join("moved")).unwrap();
    let evaluate = format!("evaluate {best} de.jsonl --device flex --json");
    let error = refused(path, &evaluate);
    assert!(error.contains("the base model model is not in"), "{error}");
    assert!(error.contains("name it with --base"), "{error}");
    let (out, _) = isogloss(path, &format!("{evaluate} --base moved"));
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["languages"]["de"], expected["de"]);
}

#[test]
fn fields_that_are_not_used_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert-tokens", &path.join("model"));
    let config = path.join("model/config.json");
    edit(&config, "rope_theta", &json!(1e4));
    fs::write(path.join("model/tokenizer_config.json"), r#"{"do_foo": 1}"#).unwrap();
    for name in ["en.train", "en.dev", "en.test", "de"] {
        fs::write(path.join(format!("{name}.conll")), TAGGED).unwrap();
    }
    let recipe = "[model]\nsource = \"model\"\n[task.tagging]\n[data]\n\
                  path = \"{language}.{split}.conll\"\nsources = [\"en\"]\nlanguages = []\n\
                  [training]\nmax_steps = 1\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    let line = "model: unknown fields are not used: rope_theta, do_foo (see isogloss inspect)";
    for command in
        ["predict model licht", "evaluate model de.conll", "finetune recipe.toml --seeds 2"]
    {
        let (_, err) = isogloss(path, &format!("{command} --device flex"));
        assert_eq!(err.lines().filter(|found| *found == line).count(), 1, "{command}: {err}");
    }
    edit(&config, "rope_theta", &Value::Null);
    fs::write(path.join("model/tokenizer_config.json"), "{}").unwrap();
    let (_, err) = isogloss(path, "predict model licht --device flex");
    assert!(!err.contains("not used"), "{err}");
}

/// A head that `save_adapter` wrote is that of the model; one that is not read is told, and needed by
/// no command that begins with another.
#[test]
fn a_prediction_head_of_the_adapters_library_is_that_of_its_model() {
    let folder = folder();
    let path = folder.path();
    copy_folder(&fixtures().join("adapter_heads/static-pooler"), &path.join("task"));
    edit(&path.join("task/adapter_config.json"), "model_name", &json!("../model"));
    let inspect = || isogloss(path, "inspect task").0;
    let found = inspect();
    assert!(found.contains("labels       3 (thank, greet, ask)"), "{found}");
    assert!(!found.contains("unread head") && !found.contains("head_config.json"), "{found}");

    write_recipe(path, "further", "task", "");
    let recipe = path.join("further.toml");
    let text = fs::read_to_string(&recipe).unwrap();
    let by_name = text.replace("\"new\"", "\"by_name\"\npooling = \"first_token\"");
    fs::write(&recipe, by_name).unwrap();
    isogloss(path, "finetune further.toml --device flex");
    let (languages, best) = results(path, "further");
    let evaluate = format!("evaluate {best} de.jsonl --device flex --json");
    let scores: Value = serde_json::from_str(&isogloss(path, &evaluate).0).unwrap();
    assert_eq!(scores["languages"]["de"], languages["de"]);

    let class = json!("BertForQuestionAnswering");
    edit(&path.join("task/head_config.json"), "model_class", &class);
    let found = inspect();
    let told = "unread head  task/head_config.json: field \"model_class\"";
    assert!(found.contains(told) && found.contains("labels       none"), "{found}");
    let error = refused(path, "predict task licht --device flex");
    assert!(error.contains("head_config.json: field \"model_class\""), "{error}");
    let (_, log) = isogloss(path, "finetune further.toml --device flex --fresh");
    let told =
        "head      that of the model is not read: task/head_config.json: field \"model_class\"";
    assert!(log.contains(told), "{log}");
}
