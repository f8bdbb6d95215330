//! Sentence retrieval by the modules of a sentence-transformers folder: the score of a run is that
//! of its `best` model.

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::{Device, Tensor, TensorData};
use isogloss::device::{DeviceChoice, open};
use isogloss::retrieval::{PairTexts, Scoring};
use isogloss::text::SentencePair;
use isogloss::{Event, Outcome, RunFolder, RunOptions, TextEncoder, finetune};
use isogloss_model::{NamedParam, SentencePooling, write_safetensors};
use isogloss_tests::runs::{Workshop, plan_of};
use isogloss_tests::waves;
use serde_json::json;

const TRAINING: &str = "batch_size = 4\nmax_steps = 3\nlog_every = 1";
const WIDTH: usize = 32;

/// Makes the model a sentence-transformers folder with CLS pooling, lower-cased texts and a dense
/// layer.
fn add_modules(shop: &Workshop) {
    let write = |name: &str, value: serde_json::Value| {
        let path = shop.path("model").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    };
    let module = |kind: &str, path: &str| json!({"path": path, "type": format!("sentence_transformers.models.{kind}")});
    let modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")];
    write("modules.json", json!(modules.map(|(kind, path)| module(kind, path))));
    let cls = json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false});
    write("1_Pooling/config.json", cls);
    write("2_Dense/config.json", json!({"in_features": WIDTH, "out_features": 3}));
    write("sentence_bert_config.json", json!({"max_seq_length": 100, "do_lower_case": true}));
    let device = Device::flex();
    let weight = TensorData::new(waves(3 * WIDTH, 0.4), [3, WIDTH]);
    let bias = TensorData::new(waves(3, 0.2), [3]);
    let params = vec![
        NamedParam::new("linear.weight".to_owned(), Tensor::<2>::from_data(weight, &device)),
        NamedParam::new("linear.bias".to_owned(), Tensor::<1>::from_data(bias, &device)),
    ];
    write_safetensors(&shop.path("model/2_Dense/model.safetensors"), params).unwrap();
}

/// A finished run: scores and held-out pairs by language, and what was told of pooling.
struct Finished {
    run: RunFolder,
    scores: BTreeMap<String, [f64; 2]>,
    held_out: BTreeMap<String, Vec<SentencePair>>,
    told: Vec<String>,
}

fn finish(shop: &Workshop, name: &str, tables: &str) -> Finished {
    finish_scored(shop, name, "", tables)
}

/// As [`finish`], with fields of the table `[task.retrieval]`.
fn finish_scored(shop: &Workshop, name: &str, task: &str, tables: &str) -> Finished {
    let device = open(DeviceChoice::Flex).unwrap();
    // Upper-case words, which are cut off after a few tokens.
    for language in ["de", "xx"] {
        let path = shop.path(&format!("pairs/en-{language}.tsv"));
        let pairs = fs::read_to_string(&path).unwrap();
        let pairs: Vec<String> = pairs
            .lines()
            .enumerate()
            .map(|(at, line)| if at % 2 == 0 { line.to_uppercase() } else { line.to_owned() })
            .collect();
        fs::write(&path, pairs.join("\n")).unwrap();
    }
    let recipe = shop.pairs_recipe(TRAINING, tables).replace("max_length = 16", "max_length = 6");
    let recipe = recipe.replace("[task.retrieval]\n", &format!("[task.retrieval]\n{task}\n"));
    let run = shop.run(name);
    let (mut held_out, mut told) = (BTreeMap::new(), Vec::new());
    let mut watch = |event: Event<'_>| match event {
        Event::Pairs(sets) => {
            for set in sets {
                held_out.insert(set.language.to_string(), set.held_out.clone());
            }
        }
        Event::SentenceEmbedding { objective, modules, .. } => {
            let pooling = modules.pooling.unwrap_or_default().name();
            told.push(format!("{objective}: {pooling}, {}", modules.dense.len()));
        }
        _ => {}
    };
    let options = RunOptions::new(shop.path("model"), device);
    let outcome = finetune(&plan_of(&recipe), &run, &options, &mut watch).unwrap();
    let Outcome::Finished(results) = outcome else { panic!("stopped") };
    let scores = results.languages.iter().map(|(language, result)| {
        let score = |name| result.scores.get(name).unwrap();
        (language.clone(), [score("forward"), score("backward")])
    });
    Finished { scores: scores.collect(), run, held_out, told }
}

/// Scores of retrieval as `isogloss retrieve` computes them.
fn retrieve(encoder: &TextEncoder, pairs: &[SentencePair]) -> [f64; 2] {
    let texts = pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
    let texts: PairTexts<'_> = texts.collect();
    let layer = encoder.sentence_layer();
    let vectors = |side: &[&str]| {
        let tokenized = encoder.tokenize(side).unwrap();
        encoder.encode(&tokenized, &[], &[layer]).unwrap().remove(0).sentences.normalized()
    };
    let (left, right) = (vectors(texts.left()), vectors(texts.right()));
    let found = texts.accuracy(&left, &right, Scoring::Cosine, encoder.device());
    [found.forward, found.backward]
}

const INFO_NCE: &str = "[[objective]]\nmethod.info_nce = {}\n";

#[test]
fn the_score_of_a_run_is_that_of_its_best_model() {
    let lora =
        format!("{INFO_NCE}[adapter.lora]\nr = 2\nlora_alpha = 4\ntarget_modules = [\"query\"]\n");
    for (has_modules, tables) in [(false, INFO_NCE), (true, INFO_NCE), (true, &lora)] {
        let shop = Workshop::new().with_pairs();
        if has_modules {
            add_modules(&shop);
        }
        let found = finish(&shop, "run", tables);
        let best = TextEncoder::load(found.run.best(), &Device::flex()).unwrap();
        assert_eq!(best.max_length(), 6);
        let other = TextEncoder::load(found.run.best(), &Device::flex()).unwrap();
        let other = other.with_pooling(SentencePooling::Max);
        let mut n_others = 0;
        for (language, scores) in &found.scores {
            let pairs = &found.held_out[language];
            assert_eq!(retrieve(&best, pairs), *scores, "{language}, modules {has_modules}");
            n_others += usize::from(retrieve(&other, pairs) != *scores);
        }
        assert!(n_others > 0, "pooling changes nothing: {:?}", found.scores);
    }
}

#[test]
fn a_recipe_that_trains_other_embeddings_than_the_modules_is_told() {
    let tables = "[[objective]]\nmethod.info_nce = { pooling = \"first_token\" }\n";
    let shop = Workshop::new().with_pairs();
    assert!(finish(&shop, "plain", INFO_NCE).told.is_empty());
    add_modules(&shop);
    assert_eq!(finish(&shop, "modules", INFO_NCE).told, ["info_nce: cls, 1"]);
    // Without the dense layer and lower-casing, the first token is what the folder says.
    let modules = shop.path("model/modules.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&modules).unwrap()).unwrap();
    json.as_array_mut().unwrap().pop();
    fs::write(&modules, json.to_string()).unwrap();
    fs::remove_file(shop.path("model/sentence_bert_config.json")).unwrap();
    assert_eq!(finish(&shop, "mean", INFO_NCE).told, ["info_nce: cls, 0"]);
    assert!(finish(&shop, "first token", tables).told.is_empty());
}

#[test]
fn the_layer_that_a_run_is_scored_by_is_saved_with_its_best_model() {
    for has_modules in [false, true] {
        let shop = Workshop::new().with_pairs();
        if has_modules {
            add_modules(&shop);
        }
        let found = finish_scored(&shop, "run", "layer = 1", INFO_NCE);
        let best = TextEncoder::load(found.run.best(), &Device::flex()).unwrap();
        assert_eq!(best.sentence_layer(), 1, "modules {has_modules}");
        for (language, scores) in &found.scores {
            let pairs = &found.held_out[language];
            assert_eq!(retrieve(&best, pairs), *scores, "{language}, modules {has_modules}");
        }
        // A run from there that names no layer is scored by the last one, and saves that.
        let from = found.run.best().to_owned();
        fs::remove_dir_all(shop.path("model")).unwrap();
        fs::rename(from, shop.path("model")).unwrap();
        let found = finish(&shop, "next", INFO_NCE);
        let best = TextEncoder::load(found.run.best(), &Device::flex()).unwrap();
        assert_eq!(best.sentence_layer(), best.n_layers() - 1);
        for (language, scores) in &found.scores {
            assert_eq!(retrieve(&best, &found.held_out[language]), *scores, "{language}");
        }
    }
}

/// Without `pairs.max_length`, sentences are cut where the sentence-transformers folder cuts them, and
/// the trained model says the same.
#[test]
fn the_maximum_length_of_a_folder_is_that_of_its_run() {
    let shop = Workshop::new().with_pairs();
    add_modules(&shop);
    let settings = shop.path("model/sentence_bert_config.json");
    fs::write(&settings, json!({"max_seq_length": 5, "do_lower_case": true}).to_string()).unwrap();
    let recipe = shop.pairs_recipe(TRAINING, INFO_NCE);
    let lengths = [("", 5), ("max_length = 4\n", 4)].map(|(given, expected)| {
        let recipe = recipe.replace("max_length = 16\n", given);
        let run = shop.run(&format!("run {expected}"));
        let data = shop.finish(&plan_of(&recipe), &run).data.unwrap();
        // Pairs of training too, of which all but the shortest sentences are cut.
        assert!(data.n_truncated > data.n && data.longest > 6, "{data:?}");
        let saved = fs::read(run.best().join("sentence_bert_config.json")).unwrap();
        let saved: serde_json::Value = serde_json::from_slice(&saved).unwrap();
        (saved["max_seq_length"].as_u64(), Some(expected))
    });
    lengths.into_iter().for_each(|(found, expected)| assert_eq!(found, expected));
}
