//! Scores are the same wherever they are computed: in a run, by `evaluate` on its best model, in
//! the library and in a browser.
//!
//! Reported by others: scores of a reloaded model differ from those of its training
//! (simpletransformers#1023, apex#632), because texts are truncated elsewhere (fast-bert#100,
//! simpletransformers#1279, nlp-architect PR #115), tags have other units (transformers#14043,
//! #17139, #9546, NERDA#30), or word tags are scored as spans (seqeval#75).

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, read_sync};
use isogloss::model::load_bytes;
use isogloss::text::{
    Content, Example, Format, Language, ReadOptions, TagScheme, TagUnits, Tokenizer,
    sequential_by_length,
};
use isogloss::{
    Evaluator, LanguageResult, Prediction, Predictor, Results, RunFolder, SavedScoring, Scores,
    Tagging, TargetKind, TaskConfig, read_saved_subnetwork, write_subnetwork,
};
use isogloss_methods::{Importance, Subnetwork};
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use serde_json::{Value, json};

/// Case: a task with its options and its evaluation data.
struct Case {
    name: String,
    /// Fields of `[model]`.
    model: String,
    /// Fields of `[data]`.
    data: &'static str,
    tables: String,
    path: PathBuf,
    languages: &'static [&'static str],
}

impl Case {
    fn split(&self) -> Option<&'static str> {
        (!self.path.to_string_lossy().contains("{split}")).then_some("test")
    }

    fn path(&self, language: &str) -> PathBuf {
        let path = self.path.to_str().unwrap().replace("{language}", language);
        path.replace("{split}", "test").into()
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::new(Format::from_path(&self.path).unwrap());
        if self.data.contains("tag_scheme = \"io\"") {
            options.tag_scheme = TagScheme::Io;
        }
        options.split = self.split().map(str::to_owned);
        options
    }

    fn train(&self, shop: &Workshop) -> (Results, RunFolder) {
        let languages = &self.languages[1..];
        let recipe = format!(
            "seed = 7\n[model]\nsource = {:?}\n{}\n\
             [data]\npath = {:?}\nsources = [\"en\"]\nlanguages = {languages:?}\n{}\n\
             [optimizer]\nlearning_rate = 3e-3\n[training]\nepochs = 3\nbatch_size = 4\n{}\n",
            shop.path("model"),
            self.model,
            self.path,
            self.data,
            self.tables,
        );
        let run = shop.run(&self.name);
        (shop.finish(&plan_of(&recipe), &run), run)
    }
}

/// Workshop with data of every kind: texts, text pairs, slots, BIO tags, parts of speech, trees.
fn shop() -> Workshop {
    let shop = Workshop::new().with_trees();
    for folder in ["paired", "columns"] {
        fs::create_dir(shop.path(folder)).unwrap();
    }
    for language in ["en", "de", "xx"] {
        let lines = fs::read_to_string(shop.path(&format!("data/{language}.jsonl"))).unwrap();
        let mut paired = String::new();
        let mut columns =
            [("train", String::new()), ("dev", String::new()), ("test", String::new())];
        for line in lines.lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let text = line["text"].as_str().unwrap().to_owned();
            let rows = text.split(' ').enumerate().map(|(at, word)| match at % 3 {
                0 => format!("{word} O\n"),
                1 => format!("{word}{word} B-thing\n"),
                _ => format!("{word} I-thing\n"),
            });
            let of_split = columns.iter_mut().find(|(split, _)| line["split"] == **split);
            *of_split.map(|(_, text)| text).unwrap() += &format!("{}\n", rows.collect::<String>());
            let (left, right) = text.split_once(' ').unwrap_or((&text, "please"));
            (line["text"], line["pair"]) = (json!(left), json!(right));
            line.as_object_mut().unwrap().remove("slots");
            paired += &format!("{line}\n");
        }
        fs::write(shop.path(&format!("paired/{language}.jsonl")), paired).unwrap();
        for (split, text) in columns {
            fs::write(shop.path(&format!("columns/{language}.{split}.conll")), text).unwrap();
        }
    }
    shop
}

const LORA: &str = "[adapter.lora]\nr = 2\nlora_alpha = 4.0\ntarget_modules = [\"query\"]";

/// All labeled tasks with their options, with and without truncation.
fn cases(shop: &Workshop) -> Vec<Case> {
    const ALL: &[&str] = &["en", "de", "xx"];
    const TREES: &[&str] = &["en", "de"];
    let texts = ("data/{language}.jsonl", ALL, "");
    let pairs = ("paired/{language}.jsonl", ALL, "");
    let columns = ("columns/{language}.{split}.conll", ALL, "");
    let trees = ("trees/{language}-{split}.conllu", TREES, "unseen_labels = \"skip\"");
    let bare =
        ("trees/{language}-{split}.conllu", TREES, "unseen_labels = \"skip\"\ntag_scheme = \"io\"");
    let all_trees = ("trees/{language}-{split}.conllu", TREES, "unseen_labels = \"keep\"");
    let parser = "[task.parsing]\narc_width = 12\nlabel_width = 6";
    let tasks = [
        ("mean", "pooling = \"mean\"", "[task.classification]".to_owned(), texts),
        ("first", "pooling = \"first_token\"", "[task.classification]".to_owned(), texts),
        ("pair", "pooling = \"mean\"", "[task.classification]".to_owned(), pairs),
        ("pair-first", "pooling = \"first_token\"", "[task.classification]".to_owned(), pairs),
        ("word", "", "[task.tagging]\nunits = \"word\"".to_owned(), texts),
        ("subword", "", "[task.tagging]\nunits = \"subword\"".to_owned(), texts),
        ("word-columns", "", "[task.tagging]\nunits = \"word\"".to_owned(), columns),
        ("subword-columns", "", "[task.tagging]\nunits = \"subword\"".to_owned(), columns),
        // Tags without BIO prefixes, which are scored as spans where the recipe says so.
        ("word-pos", "", "[task.tagging]\nunits = \"word\"".to_owned(), bare),
        ("subword-pos", "", "[task.tagging]\nunits = \"subword\"".to_owned(), bare),
        ("pos", "", "[task.pos_tagging]".to_owned(), trees),
        ("parsing", "", parser.to_owned(), all_trees),
        ("parsing-subtypes", "", format!("{parser}\nsubtypes = \"keep\"\ntags = false"), all_trees),
        ("lora", "", format!("[task.tagging]\nunits = \"subword\"\n{LORA}"), columns),
    ];
    let mut cases = Vec::new();
    for (name, model, tables, (path, languages, data)) in tasks {
        for (length, max_length) in [("whole", ""), ("cut", "max_length = 7")] {
            cases.push(Case {
                name: format!("{name}-{length}"),
                model: format!("{model}\n{max_length}"),
                data,
                tables: tables.clone(),
                path: shop.path(path),
                languages,
            });
        }
    }
    cases
}

/// Evaluation as `evaluate` does it: with the library's functions over a file.
fn evaluated_in(
    predictor: &Predictor,
    folder: &Path,
    case: &Case,
    language: &str,
) -> LanguageResult {
    let path = case.path(language);
    let examples = predictor.task().read(&path, &case.options()).unwrap();
    let unseen = predictor.scoring().unseen_labels;
    let set = predictor.labeled_set(&path, &examples, language.parse().unwrap(), unseen).unwrap();
    let labels = predictor.labels().unwrap();
    let device = Device::flex();
    let config = predictor.loaded().model.encoder.config();
    let subnetwork = read_saved_subnetwork(config, folder, &set.language).unwrap();
    let evaluator = Evaluator {
        model: &predictor.loaded().model,
        task: predictor.task(),
        labels: &labels,
        batch_size: 5,
        device: &device,
        subnetwork: subnetwork.as_ref(),
        centring: None,
    };
    evaluator.score(&set).unwrap().0
}

/// The same for a model without subnetworks.
fn evaluated(predictor: &Predictor, case: &Case, language: &str) -> LanguageResult {
    evaluated_in(predictor, "".as_ref(), case, language)
}

#[test]
fn languages_use_the_parts_of_a_model_that_they_used_in_its_run() {
    let shop = shop();
    let whole = Subnetwork::whole(2, 4);
    let few = Importance { heads: vec![vec![3.0, 2.0, 1.0, 0.0]; 2], feed_forward: vec![1.0, 0.0] };
    fs::create_dir(shop.path("parts")).unwrap();
    write_subnetwork(&shop.path("parts/en.toml"), &whole.without_heads(&few, 3)).unwrap();
    let case = cases(&shop).into_iter().find(|case| case.name == "mean-whole").unwrap();
    let parts = shop.path("parts/{language}.toml");
    let tables = format!("[subnetworks]\npath = {parts:?}\nunseen = \"union\"\n{}", case.tables);
    let case = Case { tables, ..case };
    let (results, run) = case.train(&shop);
    let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
    for language in case.languages {
        let expected = &results.languages[*language];
        assert_eq!(&evaluated_in(&predictor, &run.best(), &case, language), expected, "{language}");
    }
    // Texts of a known language are predicted with its parts too, as the run predicted them.
    let mut n_others = 0;
    for language in case.languages {
        let labels = |predictor: &Predictor| -> Vec<String> {
            let examples = predictor.task().read(&case.path(language), &case.options()).unwrap();
            let text = |example: &Example| match &example.content {
                Content::Text { text, .. } => text.clone(),
                other => panic!("running text: {other:?}"),
            };
            let texts: Vec<String> = examples.iter().map(text).collect();
            let texts: Vec<_> = texts.iter().map(|text| (text.as_str(), None)).collect();
            let label = |found| match found {
                Prediction::Class { label, .. } => format!("[{label:?}]"),
                other => panic!("a class was asked for: {other:?}"),
            };
            predictor.predict(&texts).unwrap().into_iter().map(label).collect()
        };
        let path = run.path().join(format!("predictions/{language}.jsonl"));
        let written = fs::read_to_string(path).unwrap();
        let of_run: Vec<&str> = written.lines().collect();
        let own = Predictor::load(run.best(), &Device::flex()).unwrap();
        let own = own.for_language(&run.best(), &language.parse().unwrap()).unwrap();
        assert_eq!(labels(&own), of_run, "{language}");
        n_others += usize::from(labels(&predictor) != of_run);
    }
    assert!(n_others > 0, "the whole model predicts the same");
}

/// Evaluation as in a browser: from the bytes of files, batch by batch.
fn in_browser(folder: &Path, case: &Case, language: &str) -> Scores {
    let device = Device::flex();
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let loaded = load_bytes(&read("config.json"), read("model.safetensors"), &device).unwrap();
    let beside = |name: &str| fs::read(folder.join(name)).ok();
    let tokenizer = Tokenizer::from_folder_bytes(&read("tokenizer.json"), beside);
    let predictor = Predictor::from_loaded(loaded, tokenizer.unwrap(), &device).unwrap();
    let path = case.path(language);
    let format = Format::from_path(&path).unwrap();
    let options = predictor.scoring().reading.options(format);
    let bytes = fs::read(&path).unwrap();
    let mut examples = predictor.task().read_from(&mut &*bytes, &path, &options).unwrap();
    if examples.iter().any(|example| example.split.is_some()) {
        examples.retain(|example| example.split.as_deref() == Some("test"));
    }
    let language: Language = language.parse().unwrap();
    let set = predictor
        .labeled_set(&path, &examples, language, predictor.scoring().unseen_labels)
        .unwrap();
    let labels = predictor.labels().unwrap();
    let evaluator = Evaluator {
        model: &predictor.loaded().model,
        task: predictor.task(),
        labels: &labels,
        batch_size: 1,
        device: &device,
        subnetwork: None,
        centring: None,
    };
    let (mut gold, mut predicted) = (Vec::new(), Vec::new());
    for indices in sequential_by_length(&set.lengths(), 4) {
        for (of_gold, of_predicted) in read_sync(evaluator.predict(&set, &indices)).unwrap() {
            gold.push(of_gold);
            predicted.push(of_predicted);
        }
    }
    evaluator.scores(&gold, &predicted).unwrap()
}

/// Fails unless `predict` gives the predictions that the run wrote for the texts of a file.
fn assert_predicts_as_the_run(predictor: &Predictor, case: &Case, run: &RunFolder, language: &str) {
    let examples = predictor.task().read(&case.path(language), &case.options()).unwrap();
    let written = Trace::read(run).predictions[&format!("{language}.jsonl")].clone();
    for (example, written) in examples.iter().zip(written.lines()) {
        let isogloss::text::Content::Text { text, pair, .. } = &example.content else { return };
        let mut expected: Vec<String> = serde_json::from_str(written).unwrap();
        // A truncated word has no token to predict a tag for.
        expected.retain(|tag| !tag.is_empty());
        let found = predictor.predict(&[(text, pair.as_deref())]).unwrap().remove(0);
        let found: Vec<String> = match found {
            Prediction::Class { label, .. } => vec![label],
            Prediction::Tokens(tokens) => {
                let seen = tokens.into_iter().filter(|token| token.start < token.end);
                seen.map(|token| token.tag).collect()
            }
            other => panic!("{}: {other:?}", case.name),
        };
        assert_eq!(found, expected, "{}: {text}", case.name);
    }
}

#[test]
fn a_run_scores_as_evaluate_the_library_and_a_browser_score_its_best_model() {
    let shop = shop();
    for case in cases(&shop) {
        let (results, run) = case.train(&shop);
        let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
        assert_eq!(predictor.task().name(), results.task, "{}", case.name);
        assert_eq!(predictor.task().metric(), results.metric, "{}", case.name);
        let is_whole = run.best().join("model.safetensors").exists();
        for language in case.languages {
            let expected = &results.languages[*language];
            let found = evaluated(&predictor, &case, language);
            assert_eq!(&found, expected, "{}, {language}", case.name);
            if predictor.task().target() == TargetKind::Tree {
                continue;
            }
            if is_whole {
                let found = in_browser(&run.best(), &case, language);
                let numbers = |scores: &Scores| scores.iter().map(|(_, x)| x).collect::<Vec<_>>();
                // The order of examples differs there, but sums of counts do not depend on it.
                assert_eq!(numbers(&found), numbers(&expected.scores), "{}, {language}", case.name);
            }
            assert_predicts_as_the_run(&predictor, &case, &run, language);
        }
    }
}

#[test]
fn the_length_and_side_of_a_tokenizer_hold_in_a_run_and_after_it() {
    let shop = shop();
    let config = json!({ "model_max_length": 6, "truncation_side": "left" });
    fs::write(shop.path("model/tokenizer_config.json"), config.to_string()).unwrap();
    for (name, given, expected) in [
        ("word-columns-whole", "", 6),
        ("subword-whole", "", 6),
        ("mean-whole", "pooling = \"mean\"", 6),
        ("parsing-whole", "", 6),
        ("word-columns-whole", "max_length = 7", 7),
    ] {
        let case = cases(&shop).into_iter().find(|case| case.name == name).unwrap();
        let case = Case { name: format!("{name}-{expected}"), model: given.into(), ..case };
        let (results, run) = case.train(&shop);
        let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
        assert_eq!(predictor.scoring().max_length, expected, "{}", case.name);
        for language in case.languages {
            let found = evaluated(&predictor, &case, language);
            assert_eq!(found, results.languages[*language], "{}, {language}", case.name);
        }
        assert!(results.languages["en"].truncated > 0, "{}", case.name);
        if name != "parsing-whole" {
            let (found, numbers) = (in_browser(&run.best(), &case, "en"), |scores: &Scores| {
                scores.iter().map(|(_, x)| x).collect::<Vec<_>>()
            });
            assert_eq!(numbers(&found), numbers(&results.languages["en"].scores), "{}", case.name);
            assert_predicts_as_the_run(&predictor, &case, &run, "en");
        }
    }
}

/// Rewrites a finished run's model as `transformers` saves one, without the fields of isogloss.
fn as_published(best: &Path) {
    let path = best.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(config["isogloss"]["scoring"].is_object(), "{config}");
    config.as_object_mut().unwrap().remove("isogloss");
    fs::write(&path, config.to_string()).unwrap();
}

#[test]
fn a_published_token_classifier_is_scored_by_words() {
    let shop = shop();
    let case = cases(&shop).into_iter().find(|case| case.name == "word-columns-whole").unwrap();
    let (results, run) = case.train(&shop);
    as_published(&run.best());
    let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
    assert_eq!(predictor.scoring().task, TaskConfig::Tagging(Tagging { units: TagUnits::Word }));
    assert_eq!(evaluated(&predictor, &case, "en").scores, results.languages["en"].scores);

    // With other scoring options the scores differ.
    let units = TaskConfig::Tagging(Tagging { units: TagUnits::Subword });
    let scoring = SavedScoring { task: units, ..predictor.scoring().clone() };
    let predictor = predictor.with_scoring(scoring).unwrap();
    assert_ne!(evaluated(&predictor, &case, "en").scores, results.languages["en"].scores);
}

#[test]
fn a_damaged_scoring_is_named() {
    let shop = shop();
    let all = cases(&shop);
    let case = all.iter().find(|case| case.name == "word-cut").unwrap();
    let (_, run) = case.train(&shop);
    let path = run.best().join("config.json");
    let saved: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        saved["isogloss"]["scoring"],
        json!({ "task": { "tagging": { "units": "word" } }, "max_length": 7, "unseen_labels": "error",
            "sources": ["en"] })
    );
    for (field, value, parts) in [
        ("task", json!({ "parsing": {} }), &["task: parsing", "a classifier of tokens"][..]),
        ("task", json!({ "retrieval": {} }), &["task: retrieval"]),
        ("task", json!({ "tagging": { "units": "letter" } }), &["letter"]),
        ("max_length", json!(2), &["max_length: expected 3 or more, found 2"]),
        ("metric", json!("f1"), &["unknown field `metric`"]),
    ] {
        let mut config = saved.clone();
        config["isogloss"]["scoring"][field] = value;
        fs::write(&path, config.to_string()).unwrap();
        let error = Predictor::load(run.best(), &Device::flex()).unwrap_err().to_string();
        for part in ["config.json: isogloss.scoring: "].iter().chain(parts) {
            assert!(error.contains(part), "{field}: no {part:?} in {error:?}");
        }
    }
    let mut config = saved;
    config["isogloss"] = json!({ "pooling": "max" });
    config["architectures"] = json!(["BertForSequenceClassification"]);
    fs::write(&path, config.to_string()).unwrap();
    let error = Predictor::load(run.best(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("isogloss.pooling") && error.contains("max"), "{error}");
}
