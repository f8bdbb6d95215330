//! Label rows of saved heads: rows are reused by label name when a head is trained on.
//!
//! Reported by others: rows that stay in place under other names (transformers#14230 and PR #15017,
//! simpletransformers#667, #924), heads of other sizes (transformers#14218, #11545, #5905,
//! simpletransformers#255, #1370), labels without names (transformers#3093, #15474).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss::device::{DeviceChoice, open};
use isogloss::model::LabelRows;
use isogloss::{Event, RunFolder, RunOptions, finetune};
use isogloss_model::{
    BaseModel, HeadChoice, HeadSpec, LoadedModel, ModelFolder, ParserSpec, Pooling, base_folder,
    load, model_fingerprints, named_parameters, save_adapter_only,
};
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use isogloss_tests::{copy_folder, copy_model, fixtures};
use serde_json::{Value, json};

fn names(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

/// The parameters of the head, by path.
fn head_of(loaded: &LoadedModel) -> BTreeMap<String, Vec<f32>> {
    let all = named_parameters(&loaded.model).into_iter();
    let head = all.filter(|param| param.path.starts_with("head."));
    head.map(|param| (param.path.clone(), param.data().try_into_vec::<f32>().unwrap())).collect()
}

fn by_name(folder: &Path, spec: HeadSpec) -> LoadedModel {
    load(folder, &HeadChoice::ByName { spec, seed: 3 }, &Device::flex()).unwrap()
}

fn saved(folder: &Path) -> LoadedModel {
    load(folder, &HeadChoice::Saved, &Device::flex()).unwrap()
}

/// Values of a label's row, in a head of `n` labels.
fn row<'a>(head: &'a BTreeMap<String, Vec<f32>>, path: &str, n: usize, at: usize) -> &'a [f32] {
    let values = &head[path];
    &values[at * values.len() / n..][..values.len() / n]
}

fn rows(kept: &[&str], moved: &[&str], drawn: &[&str]) -> LabelRows {
    LabelRows { kept: names(kept), moved: names(moved), drawn: names(drawn) }
}

#[test]
fn rows_of_a_token_head_follow_their_labels() {
    let folder = fixtures().join("bert-tokens");
    let before = head_of(&saved(&folder));
    // transformers#14230: the same labels in another order.
    let labels = ["B-x", "B-y", "I-x", "I-y", "O"];
    let loaded = by_name(&folder, HeadSpec::tokens(names(&labels)));
    let after = head_of(&loaded);
    for (at, was) in [(0, 1), (1, 3), (2, 2), (3, 4), (4, 0)] {
        for path in ["head.classifier.weight", "head.classifier.bias"] {
            assert_eq!(row(&after, path, 5, at), row(&before, path, 5, was), "{path} {at}");
        }
    }
    assert_eq!(loaded.report.rows, rows(&["I-x"], &["B-x", "B-y", "I-y", "O"], &[]));
    assert!(loaded.report.fresh.is_empty() && loaded.report.unused.is_empty());

    // simpletransformers#255: fewer labels, one of them new.
    let loaded = by_name(&folder, HeadSpec::tokens(names(&["O", "B-z", "B-y"])));
    let after = head_of(&loaded);
    let new = HeadChoice::New { spec: loaded.head.clone().unwrap(), seed: 3 };
    let drawn = head_of(&load(&folder, &new, &Device::flex()).unwrap());
    for path in ["head.classifier.weight", "head.classifier.bias"] {
        assert_eq!(row(&after, path, 3, 0), row(&before, path, 5, 0));
        assert_eq!(row(&after, path, 3, 1), row(&drawn, path, 3, 1));
        assert_eq!(row(&after, path, 3, 2), row(&before, path, 5, 3));
    }
    assert_eq!(loaded.report.rows, rows(&["O"], &["B-y"], &["B-z"]));

    // The same number of labels, none of them known: transformers would keep all rows.
    let loaded = by_name(&folder, HeadSpec::tokens(names(&["a", "b", "c", "d", "e"])));
    assert_eq!(loaded.report.rows, rows(&[], &[], &["a", "b", "c", "d", "e"]));
    let after = head_of(&loaded);
    assert_ne!(after["head.classifier.weight"], before["head.classifier.weight"]);
}

#[test]
fn rows_of_sentence_heads_follow_their_labels_below_the_same_pooling_alone() {
    for family in ["bert", "xlm-roberta", "distilbert", "electra"] {
        let folder = fixtures().join(family);
        let before = head_of(&saved(&folder));
        let spec = |pooling| HeadSpec::sequence(names(&["ask", "greet", "new"]), pooling);
        // transformers#11545: three labels instead of five; the layer before them is kept.
        let loaded = by_name(&folder, spec(Pooling::FirstToken));
        let after = head_of(&loaded);
        let path = "head.classifier.weight";
        assert_eq!(row(&after, path, 3, 0), row(&before, path, 5, 1), "{family}");
        assert_eq!(row(&after, path, 3, 1), row(&before, path, 5, 0), "{family}");
        assert_eq!(after["head.dense.weight"], before["head.dense.weight"], "{family}");
        assert_eq!(loaded.report.rows, rows(&[], &["ask", "greet"], &["new"]), "{family}");

        let loaded = by_name(&folder, spec(Pooling::Mean));
        assert_eq!(loaded.report.rows, rows(&[], &[], &["ask", "greet", "new"]), "{family}");
        // BERT's pooler belongs to the encoder; in other families that layer belongs to the head.
        let choice = HeadChoice::New { spec: spec(Pooling::FirstToken), seed: 3 };
        let new = head_of(&load(&folder, &choice, &Device::flex()).unwrap());
        let has_pooler = new["head.dense.weight"] == before["head.dense.weight"];
        assert_eq!(has_pooler, family == "bert", "{family}");
    }
}

#[test]
fn relations_and_parts_of_speech_of_a_parser_follow_their_names() {
    let folder = fixtures().join("parser");
    let loaded = saved(&folder);
    let before = head_of(&loaded);
    let Some(HeadSpec::Parser(ParserSpec { config, .. })) = loaded.head else { panic!() };
    let relations = names(&["det", "nsubj", "nmod", "root", "obj"]);
    let spec = |config| {
        HeadSpec::Parser(ParserSpec {
            config,
            relations: relations.clone(),
            tags: names(&["VERB", "X"]),
        })
    };
    let loaded = by_name(&folder, spec(config));
    let after = head_of(&loaded);
    for (at, was) in [(1, 1), (2, 0), (3, 3), (4, 2)] {
        for path in
            ["head.label_bilinear.weight", "head.label_bilinear.bias", "head.label_linear.weight"]
        {
            assert_eq!(row(&after, path, 5, at), row(&before, path, 4, was), "{path} {at}");
        }
    }
    assert_eq!(row(&after, "head.tagger.weight", 2, 0), row(&before, "head.tagger.weight", 3, 2));
    assert_eq!(after["head.arc.weight"], before["head.arc.weight"]);
    let expected = rows(&["nsubj", "root"], &["nmod", "obj", "VERB"], &["det", "X"]);
    assert_eq!(loaded.report.rows, expected);

    // Layers of another width cannot be reused for the same labels.
    let mut wider = config;
    wider.label_width += 1;
    let loaded = by_name(&folder, spec(wider));
    assert_eq!(loaded.report.rows.drawn, names(&["det", "nsubj", "nmod", "root", "obj", "X"]));
    assert_eq!(loaded.report.rows.moved, ["VERB"]);
    assert!(loaded.report.fresh.contains(&"parser.label_linear.weight".to_owned()));
}

#[test]
fn heads_without_names_of_their_own_give_no_rows_to_named_labels() {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixtures().join("bert-tokens"), folder.path());
    let path = folder.path().join("config.json");
    let original: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let labels = || HeadSpec::tokens(names(&["B-x", "B-y", "I-x", "I-y", "O"]));
    let numbered: Value = (0..5).map(|id| (id.to_string(), json!(format!("LABEL_{id}")))).collect();
    let doubled = json!({ "0": "O", "1": "O", "2": "I-x", "3": "B-y", "4": "I-y" });
    for (case, id2label, moved_or_kept) in [
        // transformers#15474: the names are numbers.
        ("numbers", numbered, &[][..]),
        // transformers#3093: two default labels for a head of five.
        ("default", Value::Null, &[]),
        ("doubled", doubled, &["B-y", "I-x", "I-y"]),
    ] {
        let mut config = original.clone();
        config["id2label"] = id2label;
        config["label2id"] = Value::Null;
        fs::write(&path, config.to_string()).unwrap();
        let report = by_name(folder.path(), labels()).report;
        let mut found = [report.rows.kept, report.rows.moved].concat();
        found.sort();
        assert_eq!(found, moved_or_kept, "{case}");
    }
}

#[test]
fn rows_of_adapters_without_their_base_follow_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (base, best) = (folder.path().join("base"), folder.path().join("best"));
    copy_model("bert-tokens", &base);
    fs::create_dir(&best).unwrap();
    let labels = |labels: &[&str]| HeadSpec::tokens(names(labels));
    let choice = HeadChoice::New { spec: labels(&["u", "v", "w"]), seed: 9 };
    let loaded = load(&base, &choice, &Device::flex()).unwrap();
    let folder = ModelFolder::from(base.as_path());
    let files = model_fingerprints(&folder).unwrap();
    let name = BaseModel { name: "base".into(), folder, files };
    let scoring = json!({ "anything": 1 });
    let head = loaded.head.as_ref();
    save_adapter_only(&best, &loaded.model, head, &loaded.config_json, &name, Some(&scoring))
        .unwrap();
    assert_eq!(base_folder(&best).unwrap().canonicalize().unwrap(), base.canonicalize().unwrap());
    let again = saved(&best);
    assert_eq!(again.scoring, Some(scoring));
    let before = head_of(&again);
    assert_eq!(before, head_of(&loaded));

    // The head of the adapter folder is used, not that of the base.
    let other = by_name(&best, labels(&["w", "O", "v"]));
    assert_eq!(other.report.rows, rows(&[], &["w", "v"], &["O"]));
    assert_eq!(other.scoring, None);
    let after = head_of(&other);
    let path = "head.classifier.weight";
    assert_eq!(row(&after, path, 3, 0), row(&before, path, 3, 2));
    assert_eq!(row(&after, path, 3, 2), row(&before, path, 3, 1));
}

/// Row report of a run that trains the saved head `O, B-x, I-x, B-y, I-y` on other labels.
fn run(shop: &Workshop, name: &str, head: &str) -> Result<(LabelRows, RunFolder), String> {
    let recipe = format!(
        "seed = 7\n[model]\nsource = {:?}\n{head}\n[task.tagging]\n\
         [data]\npath = {:?}\nsources = [\"en\"]\n[optimizer]\nlearning_rate = 1e-9\n\
         [training]\nepochs = 1\nbatch_size = 2\n",
        shop.path("tagger"),
        shop.path("tags.{language}.{split}.conll"),
    );
    let run = shop.run(name);
    let options = RunOptions::new(shop.path("tagger"), open(DeviceChoice::Flex).unwrap());
    let mut found = LabelRows::default();
    let outcome = finetune(&plan_of(&recipe), &run, &options, &mut |event| {
        if let Event::Model { rows, .. } = event {
            found = rows.clone();
        }
    });
    outcome.map(|_| (found, run)).map_err(|error| error.to_string())
}

#[test]
fn a_recipe_says_what_a_saved_head_gives() {
    let shop = Workshop::new();
    copy_model("bert-tokens", &shop.path("tagger"));
    let write = |tags: [&str; 3]| {
        for split in ["train", "dev", "test"] {
            let [a, b, c] = tags;
            let text = format!("in {a}\nküche {b}\nbitte {c}\n\nlicht {b}\nan {a}\n");
            fs::write(shop.path(&format!("tags.en.{split}.conll")), text).unwrap();
        }
    };
    write(["O", "B-x", "B-y"]);
    let moved = rows(&["I-x"], &["B-x", "B-y", "I-y", "O"], &[]);
    let before = head_of(&saved(&shop.path("tagger")));
    for head in ["", "head = \"by_name\"", "head = \"as_is\""] {
        let (found, run) = run(&shop, &format!("run {head}"), head).unwrap();
        assert_eq!(found, moved, "{head}");
        let after = head_of(&saved(&run.best()));
        for (at, was) in [(0, 1), (1, 3), (2, 2), (3, 4), (4, 0)] {
            let path = "head.classifier.weight";
            let mut both = row(&after, path, 5, at).iter().zip(row(&before, path, 5, was));
            assert!(both.all(|(a, b)| (a - b).abs() < 1e-5), "{head}: {at}");
        }
    }
    let (found, new) = run(&shop, "new", "head = \"new\"").unwrap();
    assert_eq!(found, LabelRows::default());
    assert_ne!(Trace::read(&new).metrics[0]["kind"], "head");

    write(["O", "B-x", "B-z"]);
    let (found, other) = run(&shop, "other", "").unwrap();
    assert_eq!(found, rows(&["I-x"], &["B-x", "O"], &["B-z", "I-z"]));
    let logged = |run: &RunFolder| Trace::read(run).metrics[0].clone();
    let line =
        json!({ "kind": "head", "kept": ["I-x"], "moved": ["B-x", "O"], "drawn": ["B-z", "I-z"] });
    assert_eq!(logged(&other), line);
    let refused = run(&shop, "other as it is", "head = \"as_is\"").unwrap_err();
    for part in [
        "tagger",
        "config.json",
        "id2label",
        "of the model alone: \"B-y\", \"I-y\"",
        "of the data alone: \"B-z\", \"I-z\"",
    ] {
        assert!(refused.contains(part), "no {part:?} in {refused:?}");
    }
}
