//! Reading options that decide a score: `isogloss evaluate` reads a file as the run of its model did.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{best, isogloss};

/// Files of a run, by name.
type Files = Vec<(&'static str, String)>;

/// Trains a tiny model on the files, and compares its score in German with `evaluate` on `de.EXT`.
#[track_caller]
fn assert_same_score(model: &str, task: &str, data: &str, files: Files, extension: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    isogloss_tests::copy_model(model, &folder.path().join("model"));
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let recipe = format!(
        "seed = 1\n[model]\nsource = \"model\"\n{task}\n[data]\n\
         path = \"{{language}}.{extension}\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n{data}\n\
         [optimizer]\nlearning_rate = 2e-2\n[training]\nepochs = 8\nbatch_size = 2\n"
    );
    fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    isogloss(folder.path(), "finetune recipe.toml --device flex --out run");
    let expected = language_results(&folder);
    let best = best(folder.path());
    let args = format!("evaluate {best} de.{extension} --split test --device flex --json");
    let found: Value = serde_json::from_str(&isogloss(folder.path(), &args).0).unwrap();
    assert_eq!(found["languages"]["de"], expected, "{data}");
    expected
}

fn language_results(folder: &TempDir) -> Value {
    let path = folder.path().join(best(folder.path())).with_file_name("results.json");
    let results: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    results["languages"]["de"].clone()
}

/// A table with these rows in each split of English, and in the test split of German.
fn tables(header: &str, rows: &[&str]) -> Files {
    let split = |split: &'static str| rows.iter().map(move |row| format!("{row}\t{split}\n"));
    let english: String = ["train", "dev", "test"].into_iter().flat_map(split).collect();
    let german: String = split("test").collect();
    let table = |rows: String| format!("{header}\tsplit\n{rows}");
    vec![("en.tsv", table(english)), ("de.tsv", table(german))]
}

#[test]
fn quotes_are_text_where_they_were_in_training() {
    let rows = ["\"licht\"\tyes", "licht\tno", "\"küche\"\tyes", "küche\tno"];
    let rows: Vec<&str> = rows.iter().cycle().take(16).copied().collect();
    let (task, data) = ("[task.classification]", "quoting = \"none\"");
    let score = assert_same_score("xlm-roberta", task, data, tables("text\tlabel", &rows), "tsv");
    assert!(score["accuracy"].as_f64().unwrap() > 0.9, "quotes tell the labels apart: {score}");
}

#[test]
fn columns_and_names_of_classes_are_those_of_training() {
    let rows = ["licht\t1", "küche\t0", "bitte\t1", "aus\t0"];
    let data =
        "columns = { text = \"utterance\", label = \"intent\" }\nlabel_names = [\"off\", \"on\"]";
    let files = tables("utterance\tintent", &rows);
    assert_same_score("xlm-roberta", "[task.classification]", data, files, "tsv");
}

#[test]
fn tag_schemes_and_numbers_of_tags_are_those_of_training() {
    let lines = |tags: Value| -> Files {
        let line = |split: &str| {
            let words = json!(["licht", "küche", "an"]);
            json!({ "tokens": words, "ner_tags": tags, "split": split }).to_string() + "\n"
        };
        let english = ["train", "dev", "test"].map(line).concat().repeat(4);
        vec![("en.jsonl", english), ("de.jsonl", line("test").repeat(4))]
    };
    let task = "[task.tagging]\nunits = \"word\"";
    assert_same_score("bert", task, "tag_scheme = \"io\"", lines(json!(["x", "x", "O"])), "jsonl");
    let names = "label_names = [\"O\", \"B-x\", \"I-x\"]";
    assert_same_score("bert", task, names, lines(json!([1, 2, 0])), "jsonl");
}

#[test]
fn commands_that_edit_weights_take_adapters_with_their_base() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    isogloss_tests::copy_model("bert", &path.join("bert"));
    let adapter = isogloss_tests::fixtures().join("adapters/lora-head");
    isogloss_tests::copy_folder(&adapter, &path.join("adapter"));
    isogloss(path, "merge adapter --base bert --out merged");
    isogloss(path, "compress adapter --base bert --storage f16 --out small");
    isogloss(path, "compress merged --storage f16 --out expected");
    let weights = |name: &str| fs::read(path.join(name).join("model.safetensors")).unwrap();
    assert_eq!(weights("small"), weights("expected"));
    let predict = |model: &str| isogloss(path, &format!("predict {model} --device flex licht")).0;
    assert_eq!(predict("small"), predict("expected"));
}

/// Messages about a labeled file name flags where a recipe would have keys, and the flags help.
#[test]
fn messages_of_evaluate_name_its_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    isogloss_tests::copy_model("bert-tokens", &path.join("model"));
    let spans =
        "{\"text\": \"licht an\", \"entities\": [{\"start\": 0, \"end\": 5, \"slot\": \"x\"}]}\n";
    let columns = "licht B-x B-y a\nan O O b\n\n";
    let numbers = "{\"tokens\": [\"licht\", \"an\"], \"labels\": [\"B-x\", \"O\"], \"tags\": [\"a\", \"b\"]}\n";
    let words = "{\"utterance\": \"licht an\", \"slots\": []}\n";
    let quoted = "text\tslots\n\"licht\t[]\n";
    let io = "licht B-x\nan L-y\nbitte y\n\n";
    for (file, content, flag, right) in [
        ("de.jsonl", spans, "--spans-column", Some("--spans-column entities")),
        ("de.conll", columns, "--tag-column", Some("--tag-column 1")),
        ("de.jsonl", numbers, "--tag-column", Some("--tag-column labels")),
        ("de.jsonl", words, "no field \"text\"", Some("--text-column utterance")),
        ("de.tsv", quoted, "--quoting none", Some("--quoting none")),
        ("de.conll", io, "--tag-scheme io", None),
        ("de.tsv", "licht\tB-x\n\nan\tO\n\n", "--format conll", Some("--format conll")),
    ] {
        fs::write(path.join(file), content).unwrap();
        for command in ["evaluate", "fisher"] {
            let args = format!("{command} model {file} --device flex");
            let error = crate::refused(path, &args);
            assert!(error.contains(flag) && !error.contains("data."), "{args}: {error}");
            if let Some(right) = right {
                isogloss(path, &format!("{args} {right}"));
            }
        }
    }
}

/// A run that read names of labels does not know the numbers of a file, as its own recipe refuses them;
/// a published model has an order, and says that it is taken.
#[test]
fn numbers_of_classes_are_named_by_published_models_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    isogloss_tests::copy_model("bert", &path.join("model"));
    let rows = ["licht\tyes", "küche\tno", "bitte\tyes", "aus\tno"].repeat(4);
    for (name, text) in tables("text\tlabel", &rows) {
        fs::write(path.join(name), text).unwrap();
    }
    let recipe = "seed = 1\n[model]\nsource = \"model\"\n[task.classification]\n[data]\n\
        path = \"{language}.tsv\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
        [training]\nepochs = 1\nbatch_size = 2\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    isogloss(path, "finetune recipe.toml --device flex --out run");
    let best = best(path);
    let [numbers, names] = [["1", "0"], ["no", "yes"]].map(|labels| {
        let rows = ["licht", "aus"].iter().zip(labels);
        rows.map(|(text, label)| format!("{text}\t{label}\n")).collect::<String>()
    });
    fs::write(path.join("de.tsv"), format!("text\tlabel\n{numbers}")).unwrap();
    fs::write(path.join("fr.tsv"), format!("text\tlabel\n{names}")).unwrap();

    let evaluate = format!("evaluate {best} de.tsv --device flex --json");
    let error = crate::refused(path, &evaluate);
    assert!(error.contains("de.tsv:2: unknown label \"1\"; --label-names"), "{error}");
    let score = |args: &str| {
        let (out, told) = isogloss(path, args);
        let found: Value = serde_json::from_str(&out).unwrap();
        (found["mean_target"].clone(), told)
    };
    let score_in = |file: &str, options: &str| {
        score(&format!("evaluate {best} {file}{options} --source en --device flex --json"))
    };
    let (named, _) = score_in("de.tsv", " --label-names yes,no");
    assert_eq!(named, score_in("fr.tsv", "").0, "1 is no, 0 is yes");

    // The same weights without what the run saved are a published model, whose labels are sorted.
    let config = path.join(best).join("config.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    json["isogloss"].as_object_mut().unwrap().remove("scoring").unwrap();
    fs::write(&config, json.to_string()).unwrap();
    let (published, told) = score_in("de.tsv", "");
    assert!(told.contains("de.tsv: classes are numbers"), "{told}");
    assert_eq!(published, score_in("de.tsv", " --label-names no,yes").0);
    assert!(!score_in("fr.tsv", "").1.contains("numbers"));
}

#[test]
fn files_of_a_split_or_of_another_name_have_a_language() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    isogloss_tests::copy_model("bert-tokens", &path.join("model"));
    let sentence = "licht B-x\nan O\n\n";
    fs::create_dir(path.join("german")).unwrap();
    for name in ["de.test.conll", "german/test.conll", "es_gsd-ud-test.conll"] {
        fs::write(path.join(name), sentence).unwrap();
    }
    let languages = |files: &str| {
        let args = format!("evaluate model {files} --device flex --json");
        let found: Value = serde_json::from_str(&isogloss(path, &args).0).unwrap();
        found["languages"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(languages("de.test.conll es_gsd-ud-test.conll"), ["de", "es"]);
    assert_eq!(languages("de=german/test.conll"), ["de"]);
    let error = crate::refused(path, "evaluate model german/test.conll --device flex");
    assert!(error.contains("TAG=german/test.conll"), "{error}");
}

#[test]
fn a_name_of_two_classes_is_refused_by_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let args = "evaluate model de.jsonl --device flex --label-names weather,weather,light_on";
    let error = crate::refused(folder.path(), args);
    assert!(error.contains("--label-names: \"weather\" is the name of two classes"), "{error}");
}

#[test]
fn a_tag_scheme_is_refused_where_labels_are_no_tags_of_spans() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    isogloss_tests::copy_model("bert-tokens", &path.join("model"));
    let config = path.join("model/config.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    json["id2label"] = json!({"0": "O", "1": "PER", "2": "LOC", "3": "ORG", "4": "MISC"});
    json.as_object_mut().unwrap().remove("label2id");
    fs::write(&config, json.to_string()).unwrap();
    fs::write(path.join("de.conll"), "licht PER\nan O\n\n").unwrap();
    let args = "evaluate model de.conll --device flex";
    isogloss(path, args);
    let error = crate::refused(path, &format!("{args} --tag-scheme io"));
    assert!(error.contains("--tag-scheme is for taggers of spans"), "{error}");
}

/// What a recipe says of columns, a published model is told by flags.
#[test]
fn second_texts_and_files_without_a_header_are_told_by_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    isogloss_tests::copy_model("xlm-roberta", &path.join("model"));
    // The label is that of the second text.
    let rows = [("licht", "an", "yes"), ("licht", "aus", "no"), ("küche", "an", "yes")];
    let rows = |split: &str| -> String {
        let row = |(one, two, label)| format!("{one}\t{two}\t{label}{split}\n");
        rows.map(row).concat().repeat(4)
    };
    let english = ["train", "dev", "test"].map(|split| rows(&format!("\t{split}"))).concat();
    let header = "premise\thypothesis\tgold";
    fs::write(path.join("en.tsv"), format!("{header}\tsplit\n{english}")).unwrap();
    let german = rows("\ttest");
    fs::write(path.join("de.tsv"), format!("{header}\tsplit\n{german}")).unwrap();
    let recipe = "seed = 1\n[model]\nsource = \"model\"\n[task.classification]\n[data]\n\
        path = \"{language}.tsv\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
        columns = { text = \"premise\", pair = \"hypothesis\", label = \"gold\" }\n\
        [optimizer]\nlearning_rate = 2e-2\n[training]\nepochs = 8\nbatch_size = 2\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    isogloss(path, "finetune recipe.toml --device flex --out run");
    let expected = language_results(&folder);
    assert_eq!(expected["accuracy"], json!(1.0), "the second text tells the labels apart");

    let best = best(path);
    let label = |args: &str| {
        let (out, _) = isogloss(path, &format!("predict {args} --device flex"));
        out.split('\t').next().unwrap().to_owned()
    };
    for (one, two, expected) in [("licht", "an", "yes"), ("licht", "aus", "no")] {
        assert_eq!(label(&format!("{best} {one}\t{two}")), expected);
    }
    let error = crate::refused(path, &format!("predict {best} licht --device flex"));
    assert!(error.contains("\"licht\": expected two texts with one tab"), "{error}");
    let config = path.join(best).join("config.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    json["isogloss"]["scoring"].as_object_mut().unwrap().remove("reading").unwrap();
    fs::write(&config, json.to_string()).unwrap();
    assert_eq!(label(&format!("{best} licht\tan --pairs")), "yes");
    fs::write(path.join("es.tsv"), rows("")).unwrap();
    let score = |args: &str| {
        let (out, _) = isogloss(path, &format!("evaluate {best} {args} --device flex --json"));
        let found: Value = serde_json::from_str(&out).unwrap();
        found["languages"][&args[..2]].clone()
    };
    let columns = "--text-column premise --label-column gold";
    assert_eq!(score(&format!("de.tsv {columns} --pair-column hypothesis")), expected);
    assert_ne!(score(&format!("de.tsv {columns}"))["accuracy"], expected["accuracy"]);
    let numbers = "--no-header --text-column 0 --pair-column 1 --label-column 2";
    assert_eq!(score(&format!("es.tsv {numbers}")), expected);
    let args = format!("evaluate {best} de.tsv {columns} --pair-column hypotesis --device flex");
    let error = crate::refused(path, &args);
    let hint = "no column \"hypotesis\", did you mean \"hypothesis\"? --pair-column says";
    assert!(error.contains(hint), "{error}");
}
