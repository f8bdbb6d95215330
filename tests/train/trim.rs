//! Vocabulary trimming: training gives the same losses, and models that cannot be trimmed are
//! refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use isogloss::device::{DeviceChoice, open};
use isogloss::text::{Columns, Content, Format, ReadOptions, Texts, Tokenizer, read_file};
use isogloss::{Prediction, Predictor, TrimOptions, TrimReport, compress, trim};
use isogloss_model::{Storage, WeightFiles, read_config};
use isogloss_tests::runs::{Trace, Workshop, plan_of};

const TRAINING: &str = "epochs = 1\nbatch_size = 4\nlog_every = 1";

fn n_rows(folder: &Path) -> usize {
    read_config(folder).unwrap().0.vocab_size
}

/// Fails unless a recipe gives the same losses and scores with a trimmed vocabulary.
#[track_caller]
fn assert_same(shop: &Workshop, name: &str, recipe: &str) {
    let (whole, trimmed) =
        (shop.run(&format!("{name}-whole")), shop.run(&format!("{name}-trimmed")));
    shop.finish(&plan_of(recipe), &whole);
    let trim = recipe.replace("[model]\n", "[model]\ntrim = true\n");
    shop.finish(&plan_of(&trim), &trimmed);
    let rows = [shop.path("model"), trimmed.best()].map(|folder| n_rows(&folder));
    assert!(rows[1] < rows[0], "{name}: {rows:?}");
    let [whole, trimmed] = [&whole, &trimmed].map(Trace::read);
    assert_eq!(whole.predictions.len(), trimmed.predictions.len());
    for (step, (a, b)) in whole.losses().iter().zip(trimmed.losses()).enumerate() {
        // Only the norm of the gradients is summed in another order.
        assert!((a - b).abs() <= 1e-6 * a.abs(), "{name}, step {step}: {a} {b}");
    }
}

#[test]
fn training_is_the_same() {
    let shop = Workshop::new().with_pairs();
    for (name, tables) in [
        ("classification", String::new()),
        ("tagging", "[task.tagging]\nunits = \"word\"\n".to_owned()),
        (
            "views",
            format!(
                "[[objective]]\nmethod.cross_entropy = {{}}\n\
                 [[objective]]\nmethod.consistency = {{ view = \"subword_sampled\" }}\n\
                 [[objective]]\nmethod.consistency = {{ view = \"code_switched\" }}\n\
                 [views.subword_sampled]\nrate = 0.8\nalpha = 0.2\n\
                 [views.code_switched]\ndictionaries = {:?}\nlanguages = [\"de\"]\nrate = 0.7\n",
                shop.path("dictionaries/en-{language}.txt")
            ),
        ),
        (
            "pairs",
            format!(
                "[[objective]]\nmethod.cross_entropy = {{}}\n\
                 [[objective]]\nmethod.info_nce = {{}}\n{}",
                shop.pairs_table("")
            ),
        ),
    ] {
        assert_same(&shop, name, &shop.recipe(TRAINING, &tables));
    }
}

#[test]
fn a_stopped_run_goes_on_with_the_vocabulary_that_it_began_with() {
    let shop = Workshop::new();
    let recipe = shop.recipe(TRAINING, "").replace("[model]\n", "[model]\ntrim = true\n");
    let plan = plan_of(&recipe);
    let (whole, stopped) = (shop.run("whole"), shop.run("stopped"));
    shop.finish(&plan, &whole);
    shop.stop_after(3, &plan, &stopped);
    shop.finish(&plan, &stopped);
    assert_eq!(Trace::read(&whole), Trace::read(&stopped));
}

#[test]
fn lazy_adamw_moves_no_row_that_no_text_reads() {
    let shop = Workshop::new();
    let recipe = shop.recipe(TRAINING, "").replace("[training]", "adamw.lazy = true\n[training]");
    let run = shop.run("lazy");
    shop.finish(&plan_of(&recipe), &run);
    let table = |folder: &Path| {
        let mut files = WeightFiles::open(folder).unwrap();
        let mut names = files.names().filter(|name| name.ends_with("word_embeddings.weight"));
        let name = names.next().unwrap().to_owned();
        drop(names);
        let shape = files.shape(&name).unwrap();
        (shape[1], files.read(&name, &shape).unwrap())
    };
    let ((width, before), (_, after)) = (table(&shop.path("model")), table(&run.best()));
    let tokenizer = Tokenizer::from_file(&shop.path("model/tokenizer.json")).unwrap();
    let texts = read_file(&shop.path("data/en.jsonl"), &ReadOptions::new(Format::Jsonl)).unwrap();
    let ids = texts.iter().flat_map(|example| {
        let Content::Text { text, .. } = &example.content else { panic!("running text") };
        tokenizer.encode(text, None, 64).unwrap().ids
    });
    let read: BTreeSet<usize> = ids.map(|id| id as usize).collect();
    let moved = before.chunks(width).zip(after.chunks(width)).enumerate();
    let moved: BTreeSet<usize> = moved.filter(|(_, (a, b))| a != b).map(|(row, _)| row).collect();
    assert!(!moved.is_empty() && moved.is_subset(&read), "{moved:?} beyond {read:?}");
}

#[test]
fn a_teacher_of_vectors_may_read_other_tokens() {
    let shop = Workshop::new().without_dropout().with_pairs();
    let teacher = format!("[teacher]\nsource = {:?}\n", shop.path("model"));
    let losses = |name: &str, method: &str, trim: &str| {
        let tables = format!("[[objective]]\nmethod.{method}\n{teacher}");
        let recipe = shop.pairs_recipe(TRAINING, &tables).replace("[model]\n", trim);
        let run = shop.run(name);
        shop.try_finish(&plan_of(&recipe), &run).map(|_| Trace::read(&run).losses())
    };
    let vectors = "embedding_distillation = {}";
    let whole = losses("whole", vectors, "[model]\n").unwrap();
    let trimmed = losses("trimmed", vectors, "[model]\ntrim = true\n").unwrap();
    for (a, b) in whole.iter().zip(&trimmed) {
        assert!((a - b).abs() <= 1e-6 * a.abs().max(1e-3), "{a} {b}");
    }
    let states = "state_distillation = { layers = [[1, 1]] }";
    let error = losses("states", states, "[model]\ntrim = true\n").unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("another tokenizer"), "{error}");
}

#[test]
fn adapters_keep_the_trimmed_model_that_they_stand_on() {
    let shop = Workshop::new();
    let recipe = shop.recipe(TRAINING, "[adapter.seq_bn]\nreduction_factor = 4\n");
    let plan = plan_of(&recipe.replace("[model]\n", "[model]\ntrim = true\n"));
    let run = shop.run("adapted");
    shop.finish(&plan, &run);
    // The second call finds the run finished, and cleans up again.
    shop.finish(&plan, &run);
    let device = open(DeviceChoice::Flex).unwrap().device;
    let found = Predictor::load(run.best(), &device).unwrap();
    assert_eq!(found.predict(&[("turn on the light", None)]).unwrap().len(), 1);
}

#[test]
fn another_recipe_before_the_first_checkpoint_trims_anew() {
    let shop = Workshop::new();
    let run = shop.run("edited");
    let text = shop.recipe(TRAINING, "").replace("[model]\n", "[model]\ntrim = true\n");
    let rows = |text: &str| {
        fs::create_dir_all(run.path().join("trimmed")).unwrap();
        shop.finish(&plan_of(text), &run);
        n_rows(&run.best())
    };
    // Files of an earlier recipe, without a model.
    fs::create_dir_all(run.path()).unwrap();
    fs::write(run.path().join("recipe.toml"), "seed = 1\n").unwrap();
    assert!(rows(&text) < n_rows(&shop.path("model")));
}

/// Trims the workshop's model to the texts of its source language.
fn to_source(shop: &Workshop, options: TrimOptions) -> Result<TrimReport, isogloss::Error> {
    let mut texts = Texts::default();
    texts.add_file(&shop.path("data/en.jsonl"), &Columns::default(), None).unwrap();
    let mut others = Texts::default();
    others.add_file(&shop.path("data/xx.jsonl"), &Columns::default(), None).unwrap();
    trim(&shop.path("model"), &[texts], Some(&others), options, &shop.path("trimmed"))
}

#[test]
fn a_report_says_what_was_kept_and_how_texts_fare() {
    let shop = Workshop::new();
    let report = to_source(&shop, TrimOptions::default()).unwrap();
    let folder = shop.path("trimmed");
    let n_pieces = Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap().vocab_size();
    assert_eq!((report.n_pieces[1], n_rows(&folder)), (n_pieces, n_pieces));
    assert!(n_pieces < report.n_pieces[0]);
    assert_eq!((report.texts.n_changed, report.n_lost_pieces), (0, 0));
    assert_eq!((report.states.n_texts > 0, report.states.largest_difference), (true, 0.0));
    assert!(report.others.unwrap().n_changed > 0);
    assert!(report.n_bytes[1] < report.n_bytes[0]);

    let options = TrimOptions { storage: Storage::Int8, ..TrimOptions::default() };
    let smaller = to_source(&shop, options).unwrap();
    assert!(smaller.n_bytes[1] < report.n_bytes[1]);
    assert!(smaller.states.largest_difference > 0.0);
}

#[test]
fn a_compressed_model_predicts_nearly_the_same() {
    let shop = Workshop::new();
    let run = shop.run("whole");
    shop.finish(&plan_of(&shop.recipe("epochs = 6\nbatch_size = 4", "")), &run);
    let device = open(DeviceChoice::Flex).unwrap().device;
    let texts = [("turn on the light", None), ("turn off the lamp", None)];
    let probs = |folder: &Path| {
        let predictions = Predictor::load(folder, &device).unwrap().predict(&texts).unwrap();
        predictions.into_iter().map(class).collect::<Vec<_>>()
    };
    let whole = probs(&run.best());
    let sizes = [Storage::F16, Storage::Int8].map(|storage| {
        let out = shop.path("compressed");
        let [before, after] = compress(&run.best(), storage, &out).unwrap();
        assert!(after < before, "{storage:?}: {before} to {after}");
        for ((label, prob), (found, found_prob)) in whole.iter().zip(probs(&out)) {
            assert_eq!(*label, found, "{storage:?}");
            assert!((prob - found_prob).abs() < 0.02, "{storage:?}: {prob} {found_prob}");
        }
        after
    });
    assert!(sizes[1] < sizes[0]);
}

fn class(prediction: Prediction) -> (String, f64) {
    let Prediction::Class { label, probability } = prediction else { panic!("a class") };
    (label, probability)
}

#[test]
fn training_on_texts_that_lost_pieces_is_refused_unless_allowed() {
    let shop = Workshop::new();
    let few = |n| to_source(&shop, TrimOptions { keep: Some(n), ..TrimOptions::default() });
    let error = few(3).unwrap_err().to_string();
    assert!(error.contains("3 pieces are fewer than the"), "{error}");
    assert!(!shop.path("trimmed").exists());

    // Texts whose tokens change are not compared.
    for n in (15..40).step_by(5) {
        assert_eq!(few(n).unwrap().states.largest_difference, 0.0, "{n} pieces");
    }
    let report = few(20).unwrap();
    assert!(report.n_lost_pieces > 0 && report.texts.n_unknown_trimmed > 0, "{report:?}");
    let recipe = shop.recipe(TRAINING, "");
    let recipe = recipe.replace(
        &format!("source = {:?}", shop.path("model")),
        &format!("source = {:?}", shop.path("trimmed")),
    );
    let run = shop.run("unknown");
    let error = shop.try_finish(&plan_of(&recipe), &run).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("en.jsonl:") && error.contains("unknown to the model's trimmed"),
        "{error}"
    );
    let allowed = recipe.replace("[model]\n", "[model]\nallow_unknown = true\n");
    shop.try_finish(&plan_of(&allowed), &run).unwrap();
    // A model that was trained on it is marked as trimmed too.
    assert!(fs::exists(run.best().join("trimmed.json")).unwrap());
}
