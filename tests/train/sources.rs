//! Training in several source languages.

use std::fs;

use isogloss::Plan;
use isogloss_tests::opened_devices;
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use serde_json::Value;

const TRAINING: &str = "epochs = 2\nbatch_size = 4\nlog_every = 1\ncheckpoint_every = 5";

fn recipe(shop: &Workshop, fields: &str, tables: &str) -> String {
    let recipe = shop.recipe(TRAINING, tables).replace("[data]\n", &format!("[data]\n{fields}"));
    recipe.replace("sources = [\"en\"]", "sources = [\"en\", \"de\"]")
}

#[test]
fn all_sources_are_trained_on_and_none_is_a_target() {
    let shop = Workshop::new();
    let run = shop.run("two");
    let results = shop.finish(&plan_of(&recipe(&shop, "", "")), &run);
    assert_eq!(
        (&results.sources[..], results.n_targets),
        (&["en", "de"].map(str::to_owned)[..], 1)
    );
    let score = |language: &str| results.languages[language].scores.main();
    assert_eq!(results.mean_target, Some(score("xx")));
    let gap = (score("en") + score("de")) / 2.0 - score("xx");
    assert!((results.gap.unwrap() - gap).abs() < 1e-12);
    assert_eq!(
        results.selection.rule,
        "highest accuracy on the dev sets of en, de, their mean, the earliest of equals"
    );

    let trace = Trace::read(&run);
    // 24 texts of each language, four a step, two epochs.
    assert_eq!(trace.losses().len(), 24);
    let dev = trace.metrics.iter().find(|line| line["kind"] == "dev").unwrap();
    let of = |language: &str| dev["languages"][language].as_f64().unwrap();
    let mean = dev["accuracy"].as_f64().unwrap();
    assert!((mean - (of("en") + of("de")) / 2.0).abs() < 1e-12, "{dev}");
    // Training in German has an effect: training in English alone scores lower.
    let alone = shop.run("one");
    let english = shop.finish(&plan_of(&shop.recipe(TRAINING, "")), &alone);
    assert!(score("de") > english.languages["de"].scores.main(), "{results:?}");
}

#[test]
fn runs_in_several_languages_resume() {
    let shop = Workshop::new();
    for (name, fields, tables) in [
        ("by size", "sampling.by_size = { temperature = 3.0 }\n", ""),
        ("evenly, words", "sampling.uniform = {}\n", "[task.tagging]\nunits = \"word\"\n"),
        (
            "first-order MAML",
            "",
            "[update.first_order_maml]\ninner_learning_rate = 1e-2\n\
             inner_head_learning_rate = 1e-1\n",
        ),
        ("projected conflicts", "", "[update.pcgrad]\n"),
        ("conflicts where the loss is sharp", "", "[update.pcgrad]\n[update.asam]\nrho = 0.1\n"),
        ("sharp reptile", "", "[update.reptile]\ninner_steps = 1\n[update.sam]\n"),
        ("reptile", "", "[update.reptile]\ninner_steps = 2\ninner_learning_rate = 1e-2\n"),
        (
            "sampled subwords",
            "",
            "[[objective]]\nmethod.cross_entropy = {}\n\
             [[objective]]\nmethod.consistency = { view = \"subword_sampled\" }\n\
             [views.subword_sampled]\nrate = 0.8\nalpha = 0.2\n",
        ),
    ] {
        let tasks = tables.contains("[update.");
        let accumulate = if tasks { "[training]\naccumulate = 2\n" } else { "[training]\n" };
        let plan = plan_of(&recipe(&shop, fields, tables).replace("[training]\n", accumulate));
        let (whole, parts) = (shop.run(name), shop.run(&format!("{name} in parts")));
        shop.finish(&plan, &whole);
        shop.stop_after(4, &plan, &parts);
        shop.stop_after(9, &plan, &parts);
        shop.finish(&plan, &parts);
        assert_eq!(Trace::read(&parts), Trace::read(&whole), "{name}");
        assert_eq!(Trace::read(&whole).losses().len(), if tasks { 12 } else { 24 }, "{name}");
    }
}

/// The texts of each source have the translations of its own files, and none into itself.
#[test]
fn each_source_has_its_own_views() {
    let shop = Workshop::new();
    let write = |file: &str, n: usize, language: &str| {
        let data = fs::read_to_string(shop.path(&format!("data/{language}.jsonl"))).unwrap();
        let texts = data.lines().filter_map(|line| {
            let example: Value = serde_json::from_str(line).unwrap();
            let text = example["text"].as_str().unwrap().to_owned();
            (example["split"] == "train").then_some(text)
        });
        let lines: String = texts.take(n).map(|text| format!("{text}\t{text}\n")).collect();
        fs::write(shop.path(file), lines).unwrap();
    };
    write("en-xx.tsv", 24, "en");
    write("de-xx.tsv", 10, "de");
    // Translations of the other source must not be found: there are none of 14 German texts.
    write("en-de.tsv", 24, "de");
    write("de-en.tsv", 1, "en");
    let views = format!(
        "[[objective]]\nmethod.cross_entropy = {{}}\n\
         [[objective]]\nmethod.consistency = {{ view = \"translated\" }}\n\
         [views.translated]\npath = {:?}\nlanguages = [\"de\", \"en\", \"xx\"]\n",
        shop.path("{source}-{language}.tsv"),
    );
    let plan = plan_of(&recipe(&shop, "", &views));
    let results = shop.finish(&plan, &shop.run("views"));
    assert_eq!(results.data.unwrap().n_untranslated, 14);
    shop.assert_resumes("views again", &plan, &[4, 9]);
    // Other translations of German texts are other data.
    write("de-xx.tsv", 12, "de");
    let error = shop.try_finish(&plan, &shop.run("views")).unwrap_err().to_string();
    assert!(error.contains("de-xx.tsv"), "{error}");
}

#[test]
fn several_languages_train_on_every_device() {
    let shop = Workshop::new();
    let plan = plan_of(&recipe(&shop, "", "").replace("epochs = 2", "max_steps = 4"));
    for device in opened_devices() {
        shop.assert_trains_as_on_flex(&device, "two", &plan);
    }
}

#[test]
fn languages_that_cannot_be_trained_on_together_are_told() {
    let shop = Workshop::new();
    for (fields, tables, expected) in [
        (
            "sampling.ucb = {}\n",
            "",
            "data.sampling: batches with labels are made ahead of their losses",
        ),
        (
            "sampling.by_size = { temperature = 0.0 }\n",
            "",
            "data.sampling.by_size.temperature: expected a positive number, found 0",
        ),
        (
            "",
            "[views.translated]\npath = \"{language}.tsv\"\nlanguages = [\"xx\"]\n",
            "views.translated.path: expected a path with {source}, where the tag of the text's \
             language stands, found \"{language}.tsv\"",
        ),
        (
            "",
            "[views.code_switched]\ndictionaries = \"{source}-{language}\"\nlanguages = [\"de\"]\n",
            "views.code_switched.languages: texts in \"de\" have no other language among these",
        ),
    ] {
        let text = recipe(&shop, fields, tables);
        let error = Plan::from_toml(&text, "tiny.toml".as_ref()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let text = recipe(&shop, "", "[update.pcgrad]\n");
    let error = Plan::from_toml(&text, "tiny.toml".as_ref()).unwrap_err().to_string();
    assert!(error.contains("update.pcgrad: is about the languages of one step"), "{error}");
    let maml = "[update.first_order_maml]\n[update.pcgrad]\n[update.sam]\n[update.asam]\n";
    let error = Plan::from_toml(&recipe(&shop, "", maml), "tiny.toml".as_ref());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("training.accumulate: a step is made of tasks of 2 batches"), "{error}");
    assert!(error.contains("first_order_maml makes the gradient of a step already"), "{error}");
    assert!(error.contains("sam takes the gradient elsewhere already"), "{error}");
    let twice = recipe(&shop, "", "").replace("\"de\"]", "\"de\", \"en\"]");
    let error = Plan::from_toml(&twice, "tiny.toml".as_ref()).unwrap_err().to_string();
    assert!(error.contains("data.sources: \"en\" is a source already"), "{error}");
    let alone = shop.recipe(TRAINING, "").replace("[data]\n", "[data]\nsampling.uniform = {}\n");
    let error = Plan::from_toml(&alone, "tiny.toml".as_ref()).unwrap_err().to_string();
    assert!(error.contains("data.sampling: there is one language to draw"), "{error}");

    fs::remove_file(shop.path("data/de.jsonl")).unwrap();
    let error = shop.try_finish(&plan_of(&recipe(&shop, "", "")), &shop.run("missing"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("de.jsonl"), "{error}");
}

#[test]
fn other_languages_can_be_watched_while_the_model_trains() {
    let shop = Workshop::new();
    let recipe = shop.recipe(&format!("{TRAINING}\nzero_shot_eval_examples = 5"), "");
    let (watched, plain) = (shop.run("watched"), shop.run("plain"));
    shop.finish(&plan_of(&recipe), &watched);
    shop.finish(&plan_of(&shop.recipe(TRAINING, "")), &plain);
    let (watched, plain) = (Trace::read(&watched), Trace::read(&plain));
    assert_eq!((watched.losses(), &watched.predictions), (plain.losses(), &plain.predictions));
    let dev: Vec<_> = watched.metrics.iter().filter(|line| line["kind"] == "dev").collect();
    assert_eq!(dev.len(), 2);
    for line in dev {
        let of = |language: &str| line["zero_shot"][language].as_f64().unwrap();
        // Five texts each.
        assert!([of("de"), of("xx")].iter().all(|score| (score * 5.0).fract() == 0.0), "{line}");
        let mean = line["mean_target"].as_f64().unwrap();
        assert!((mean - (of("de") + of("xx")) / 2.0).abs() < 1e-12, "{line}");
        assert!(line["zero_shot"].get("en").is_none(), "{line}");
    }
}
