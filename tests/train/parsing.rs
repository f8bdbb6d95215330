//! Whole runs of dependency parsers: what they learn, reproducibility, and the parsed files.

use std::fs;

use burn::tensor::Device;
use isogloss::device::{DeviceChoice, open};
use isogloss::text::{
    FeatureOptions, Format, ReadOptions, check_tree, read_treebank, read_treebank_file,
    score_parses,
};
use isogloss::{
    LabeledSet, LanguageResult, Parsing, Plan, Predictor, RunFolder, SubnetworkSearchOptions,
    importance,
};
use isogloss_methods::Subnetwork;
use isogloss_tests::opened_devices;
use isogloss_tests::runs::{Trace, Workshop};

/// Recipe of a small parser; `task` goes into the task's table, `training` into that table,
/// `tables` after it.
fn plan(shop: &Workshop, task: &str, training: &str, tables: &str) -> Plan {
    let recipe = format!(
        "seed = 7\n[model]\nsource = {model:?}\n\
         [task.parsing]\narc_width = 24\nlabel_width = 12\n{task}\n\
         [data]\npath = {data:?}\nsources = [\"en\"]\nlanguages = [\"de\"]\nunseen_labels = \"keep\"\n\
         [optimizer]\nlearning_rate = 3e-3\n\
         [training]\nbatch_size = 4\nlog_every = 1\n{training}\n{tables}\n",
        model = shop.path("model"),
        data = shop.path("trees/{language}-{split}.conllu"),
    );
    Plan::from_toml(&recipe, "parser.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

const NO_DROPOUT: &str = "dropout = 0.0\nlayer_dropout = 0.0";

/// LAS, UAS and UPOS.
fn parsed(result: &LanguageResult) -> (f64, f64, Option<f64>) {
    let score = |name| result.scores.get(name);
    (score("las").unwrap(), score("uas").unwrap(), score("upos"))
}

fn parsed_file(run: &RunFolder, language: &str) -> std::path::PathBuf {
    run.path().join(format!("predictions/{language}.conllu"))
}

#[test]
fn a_parser_learns_a_small_treebank_and_scores_it_as_the_written_trees_are_scored() {
    let shop = Workshop::new().with_trees();
    let run = shop.run("run");
    let results = shop.finish(&plan(&shop, "dropout = 0.1", "epochs = 30", ""), &run);
    assert_eq!((results.task.as_str(), results.metric.as_str()), ("parsing", "las"));
    // The development set is the training set.
    assert_eq!(results.selection.score, 1.0, "{results:?}");
    let (las, uas, upos) = parsed(&results.languages["en"]);
    assert!(las > 0.9 && uas > 0.9 && upos > Some(0.95), "{las}, {uas}, {upos:?}");

    for language in ["en", "de"] {
        let gold =
            read_treebank_file(&shop.path(&format!("trees/{language}-test.conllu"))).unwrap();
        let found = read_treebank_file(&parsed_file(&run, language)).unwrap();
        let scores = score_parses(&gold, &found).unwrap();
        let expected = (scores.las.f1(), scores.uas.f1(), Some(scores.upos.f1()));
        assert_eq!(parsed(&results.languages[language]), expected, "{language}");
        let mut emptied = [gold, found];
        for treebank in &mut emptied {
            for sentence in &mut treebank.sentences {
                let n_words = sentence.words().len();
                sentence.set_tree(&vec![0; n_words], &vec!["_"; n_words]).unwrap();
                sentence.set_upos(&vec!["_"; n_words]).unwrap();
            }
        }
        assert_eq!(emptied[0].to_string(), emptied[1].to_string(), "{language}: other columns");
    }
}

#[test]
fn a_finished_parser_fills_in_the_trees_of_bare_sentences() {
    let shop = Workshop::new().with_trees();
    let run = shop.run("run");
    shop.finish(&plan(&shop, NO_DROPOUT, "epochs = 8\n", ""), &run);
    let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
    let path = shop.path("trees/en-test.conllu");
    let gold = read_treebank_file(&path).unwrap();
    let expected = read_treebank_file(&parsed_file(&run, "en")).unwrap();
    let mut bare = gold.clone();
    for sentence in &mut bare.sentences {
        sentence.set_upos(&vec!["_"; sentence.words().len()]).unwrap();
    }
    for sentences in bare.sentences.chunks_mut(5) {
        assert_eq!(predictor.parse(sentences).unwrap(), 0);
    }
    assert_eq!(bare.to_string(), expected.to_string());

    // A word of only spaces has no token, nor have words beyond the model's 40 positions.
    let row = |id: usize, form: &str| format!("{id}\t{form}\t_\t_\t_\t_\t_\t_\t_\t_\n");
    let mut long: String = (1..=60).map(|id| row(id, "lamp")).collect();
    long.push_str(&format!("\n{}", row(1, "\u{200b}")));
    let mut long = read_treebank(long.as_bytes(), "long.conllu".as_ref()).unwrap();
    let n_lost = predictor.parse(&mut long.sentences).unwrap();
    assert!((22..=23).contains(&n_lost), "{n_lost} words lost");
    for sentence in &long.sentences {
        check_tree(&sentence.heads().unwrap()).unwrap();
        assert!(sentence.words().iter().all(|word| word.deprel != "_" && word.upos != "_"));
    }
    assert_eq!(long.sentences[0].words()[59].deprel, "dep");
    assert!(predictor.predict(&[("turn on the lamp", None)]).is_err());
}

#[test]
fn a_stopped_parser_goes_on_to_the_same_end() {
    let shop = Workshop::new().with_trees();
    let r_drop = "[[objective]]\nmethod.r_drop = {}";
    for (name, task, tables) in [
        ("plain", "word_dropout = 0.2\nsubtypes = \"keep\"", ""),
        ("r_drop", "tags = false", r_drop),
    ] {
        let plan = plan(&shop, task, "epochs = 3\ncheckpoint_every = 4", tables);
        let undisturbed = shop.run(&format!("{name} undisturbed"));
        shop.finish(&plan, &undisturbed);
        let expected = Trace::read(&undisturbed);
        assert_eq!(expected.predictions.len(), 2);
        for stop in [3, 6, 13] {
            let run = shop.run(&format!("{name} stopped {stop}"));
            shop.stop_after(stop, &plan, &run);
            shop.finish(&plan, &run);
            assert_eq!(Trace::read(&run), expected, "{name} stopped after {stop}");
        }
    }
}

#[test]
fn hidden_words_and_subtypes_make_another_parser() {
    let shop = Workshop::new().with_trees();
    let losses = |name: &str, task: &str| {
        let run = shop.run(name);
        shop.finish(&plan(&shop, &format!("{NO_DROPOUT}\n{task}"), "epochs = 1", ""), &run);
        (Trace::read(&run).losses(), Predictor::load(run.best(), &Device::flex()).unwrap())
    };
    let (plain, parser) = losses("plain", "");
    let (hidden, _) = losses("hidden", "word_dropout = 0.5");
    assert_ne!(plain, hidden);
    assert!(parser.head().labels().contains(&"compound".to_owned()));
    let (_, parser) = losses("subtypes", "subtypes = \"keep\"");
    assert!(parser.head().labels().contains(&"compound:prt".to_owned()));
    // Without part-of-speech tags, their loss is missing from the first step.
    let (untagged, _) = losses("untagged", "tags = false");
    assert!(untagged[0] < plain[0] - 0.5, "{} with tags, {} without", plain[0], untagged[0]);
}

#[test]
fn a_parser_goes_with_the_other_methods() {
    let shop = Workshop::new().with_trees();
    for (name, tables) in [
        (
            "noised",
            "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.consistency = { view = { noised = { scale = 1e-2 } } }",
        ),
        ("r3f", "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.r3f = {}"),
        ("adapter", "[adapter.seq_bn]\n[schedule.gradual_unfreeze]\nevery_steps = 1"),
        (
            "lora",
            "[adapter.lora]\nr = 2\nlora_alpha = 4.0\nlora_dropout = 0.1\ntarget_modules = [\"query\", \"value\"]",
        ),
        ("sam", "[update.sam]"),
        ("maml", "[update.first_order_maml]\ninner_steps = 1"),
    ] {
        let accumulate = if name == "maml" { "accumulate = 2\n" } else { "" };
        let plan = plan(&shop, "", &format!("{accumulate}epochs = 1"), tables);
        let run = shop.run(name);
        let results = shop.finish(&plan, &run);
        assert!(Trace::read(&run).losses().iter().all(|loss| loss.is_finite()), "{name}");
        // The model folder alone gives the same trees.
        let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
        let mut again = read_treebank_file(&shop.path("trees/de-test.conllu")).unwrap();
        predictor.parse(&mut again.sentences).unwrap();
        let written = fs::read_to_string(parsed_file(&run, "de")).unwrap();
        assert_eq!(again.to_string(), written, "{name}");
        assert_eq!(results.languages.len(), 2, "{name}");
    }
}

#[test]
fn heads_have_their_importance_for_a_parser() {
    let shop = Workshop::new().with_trees();
    let run = shop.run("run");
    shop.finish(&plan(&shop, NO_DROPOUT, "epochs = 2", ""), &run);
    let device = open(DeviceChoice::Flex).unwrap().device;
    let predictor = Predictor::load(run.best(), &device).unwrap();
    let (labels, features) = (predictor.labels().unwrap(), FeatureOptions::new(32));
    let task = Parsing::default();
    let (options, language) = (ReadOptions::new(Format::Conllu), "en".parse().unwrap());
    let path = shop.path("trees/en-test.conllu");
    let tokenizer = predictor.tokenizer();
    let set = LabeledSet::read(&path, &options, &task, language, tokenizer, &labels, &features);
    let model = &predictor.loaded().model;
    let all = Subnetwork::whole(2, 4);
    let found = importance(model, &set.unwrap(), &all, SubnetworkSearchOptions::default(), &device)
        .unwrap();
    assert!(found.heads.iter().flatten().all(|of_head| *of_head > 0.0), "{found:?}");
}

#[test]
fn devices_train_parsers_alike() {
    let shop = Workshop::new().with_trees();
    let plan = plan(&shop, "", "epochs = 2", "");
    for device in opened_devices() {
        shop.assert_trains_as_on_flex(&device, "parser", &plan);
    }
}
