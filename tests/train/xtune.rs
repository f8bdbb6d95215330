//! xTune's second stage for tagging (Zheng et al. 2021): consistency of an augmented text with its
//! second draw, knowledge distillation on translations, which have no tags.

use std::fs;

use isogloss_tests::runs::{Trace, Workshop, plan_of};
use serde_json::Value;

const TRAINING: &str = "max_steps = 1\nbatch_size = 24\nlog_every = 1";

/// Workshop with a tagger without dropout, and translations of all texts of other lengths.
fn workshop() -> Workshop {
    let shop = Workshop::new().without_dropout();
    let examples = fs::read_to_string(shop.path("data/en.jsonl")).unwrap();
    let translated = examples.lines().map(|line| {
        let example: Value = serde_json::from_str(line).unwrap();
        let text = example["text"].as_str().unwrap();
        format!("{text}\tbitte licht {text}\n{text}\tküche\n")
    });
    fs::create_dir_all(shop.path("views")).unwrap();
    fs::write(shop.path("views/de.tsv"), translated.collect::<String>()).unwrap();
    shop.finish(&shop.plan("epochs = 2\nbatch_size = 4", "[task.tagging]"), &shop.run("teacher"));
    shop
}

/// Tables of a recipe: translations, subword sampling at a rate, and a dictionary.
fn tables(shop: &Workshop, rate: f64, dictionary: &str) -> String {
    fs::write(shop.path("views/de.txt"), dictionary).unwrap();
    format!(
        "[task.tagging]\n[teacher]\nsource = {:?}\n\
         [views.translated]\npath = {:?}\nlanguages = [\"de\"]\n\
         [views.subword_sampled]\nrate = {rate}\nalpha = 0.01\n\
         [views.code_switched]\ndictionaries = {:?}\nlanguages = [\"de\"]\nrate = 1.0\n",
        shop.path("teacher/best"),
        shop.path("views/{language}.tsv"),
        shop.path("views/{language}.txt"),
    )
}

/// Loss of a method in the first step, before any update, of a model in the shop.
fn first_loss(shop: &Workshop, model: &str, tables: &str, method: &str) -> f64 {
    let recipe = shop.recipe(TRAINING, &format!("{tables}[[objective]]\nmethod.{method}\n"));
    let source = |name: &str| format!("[model]\nsource = {:?}", shop.path(name));
    let recipe = recipe.replace(&source("model"), &source(model));
    let run = shop.run(&format!("{model} {method}").replace(['/', '"', '{', '}'], " "));
    let _ = fs::remove_dir_all(run.path());
    shop.finish(&plan_of(&recipe), &run);
    let metrics = Trace::read(&run).metrics;
    let line = metrics.iter().find(|line| line["kind"] == "train").unwrap();
    line["loss"].as_f64().unwrap()
}

/// Every English word of the workshop, each with another word.
const ALL_WORDS: &str = "turn\tdas\non\tan\noff\taus\nopen\tin\ndoor\ttür\nplay\tder\nmusic\tküche\n\
                         please\tbitte\nthe\tdas\nlamp\tlicht\nroom\tküche\nit\tder\n";

#[test]
fn a_tagger_follows_its_teacher_on_translations() {
    let shop = workshop();
    let tables = tables(&shop, 0.0, ALL_WORDS);
    for targets in ["soft", "hard"] {
        let method =
            format!("model_consistency = {{ text = \"translated\", targets = \"{targets}\" }}");
        let same = first_loss(&shop, "teacher/best", &tables, &method);
        let other = first_loss(&shop, "model", &tables, &method);
        // Of the teacher itself, the KL divergence is zero and the cross-entropy that with its own
        // most probable labels.
        assert!(other > same && (targets == "hard" || same.abs() < 1e-6), "{same}, {other}");
    }
}

#[test]
fn augmented_texts_are_compared_with_another_draw_of_themselves() {
    let shop = workshop();
    let [unsampled, sampled] = [0.0, 1.0].map(|rate| tables(&shop, rate, ALL_WORDS));
    let loss = |tables: &str, of: &str, view: &str| {
        let method = format!("consistency = {{ of = \"{of}\", view = \"{view}\" }}");
        first_loss(&shop, "teacher/best", tables, &method)
    };
    // The same subwords twice, and twice the same words of a dictionary of one translation each.
    for (of, view) in [
        ("subword_sampled", "subword_sampled"),
        ("translated", "subword_sampled"),
        ("code_switched", "code_switched"),
        ("translated", "second_pass"),
    ] {
        let found = loss(&unsampled, of, view);
        assert!(found.abs() < 1e-6, "{of}, {view}: {found}");
    }
    for (of, view) in [
        ("translated", "subword_sampled"),
        ("code_switched", "subword_sampled"),
        ("subword_sampled", "subword_sampled"),
    ] {
        let found = loss(&sampled, of, view);
        assert!(found > 1e-6, "{of}, {view}: {found}");
    }
}

#[test]
fn words_that_a_dictionary_has_replaced_are_left_out() {
    let shop = workshop();
    let loss = |dictionary: &str, words: &str| {
        let tables = tables(&shop, 0.0, dictionary);
        let method = format!("consistency = {{ view = \"code_switched\", words = \"{words}\" }}");
        first_loss(&shop, "teacher/best", &tables, &method)
    };
    assert!(loss(ALL_WORDS, "all") > 1e-6);
    assert_eq!(loss(ALL_WORDS, "unswitched"), 0.0);
    // Words beside a replaced one are compared.
    assert!(loss("please\tbitte\nthe\tdas\n", "unswitched") > 1e-6);
    let same = "please\tplease\n";
    assert_eq!(loss(same, "unswitched"), loss(same, "all"));
}

#[test]
fn words_are_compared_by_the_pooled_states_of_their_subwords() {
    let shop = workshop();
    let [unsampled, sampled] = [0.0, 1.0].map(|rate| tables(&shop, rate, ALL_WORDS));
    let loss = |tables: &str, method: &str, pooling: &str| {
        let method = format!("{method}, subword_pooling = \"{pooling}\" }}");
        first_loss(&shop, "teacher/best", tables, &method)
    };
    let consistency = "consistency = { view = \"subword_sampled\"";
    // The same subwords twice.
    for pooling in ["mean", "sum"] {
        assert!(loss(&unsampled, consistency, pooling).abs() < 1e-6, "{pooling}");
    }
    let [first, mean, sum] =
        ["first_subword", "mean", "sum"].map(|pooling| loss(&sampled, consistency, pooling));
    // Other subwords, each more of the sum.
    assert!(first > 1e-6 && mean > 1e-6 && sum > 2.0 * mean, "{first}, {mean}, {sum}");
    assert!((first - mean).abs() > 0.01 * first, "{first}, {mean}");
    // Teacher and student are the same model.
    let distilled = "model_consistency = { text = \"subword_sampled\"";
    assert!(loss(&sampled, distilled, "sum").abs() < 1e-6);
}

/// Workshop with a teacher of one epoch, and a translation of one text.
fn second_stage() -> Workshop {
    let shop = Workshop::new();
    let teacher = shop.run("teacher");
    shop.finish(&shop.plan("epochs = 1\nbatch_size = 8", "[task.tagging]"), &teacher);
    fs::create_dir_all(shop.path("views")).unwrap();
    let examples = fs::read_to_string(shop.path("data/en.jsonl")).unwrap();
    let first: Value = serde_json::from_str(examples.lines().next().unwrap()).unwrap();
    let text = first["text"].as_str().unwrap();
    fs::write(shop.path("views/de.tsv"), format!("{text}\tlicht bitte an\n")).unwrap();
    shop
}

/// Fails unless a run of these methods gives the same bits after it was stopped.
fn assert_resumes(name: &str, methods: &[&str]) {
    let shop = second_stage();
    let objectives = methods.iter().map(|method| format!("[[objective]]\nmethod.{method}\n"));
    let tables = tables(&shop, 0.5, ALL_WORDS) + &objectives.collect::<String>();
    let plan = shop.plan("epochs = 2\nbatch_size = 8\nlog_every = 1", &tables);
    shop.assert_resumes(name, &plan, &[1, 3, 4]);
}

#[test]
fn the_second_stage_goes_on_where_it_stopped() {
    assert_resumes(
        "stage 2",
        &[
            "cross_entropy = {}",
            "cross_entropy = { text = \"subword_sampled\" }",
            "consistency = { of = \"subword_sampled\", view = \"subword_sampled\", words = \"unswitched\" }",
            "consistency = { of = \"translated\", view = \"subword_sampled\" }",
            "model_consistency = { text = \"translated\" }",
        ],
    );
}

#[test]
fn the_second_stage_of_pooled_words_goes_on_where_it_stopped() {
    assert_resumes(
        "stage 2 of pooled words",
        &[
            "cross_entropy = {}",
            "consistency = { view = \"subword_sampled\", subword_pooling = \"sum\" }",
            "consistency = { view = \"code_switched\", words = \"unswitched\", subword_pooling = \"mean\" }",
            "consistency = { of = \"translated\", view = \"subword_sampled\", subword_pooling = \"sum\" }",
            "model_consistency = { text = \"subword_sampled\", subword_pooling = \"sum\" }",
        ],
    );
}
