//! Every method in whole runs: it trains, resumes after a kill, and works as the shipped recipes
//! use it.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss::{Plan, Results, write_subnetwork};
use isogloss_methods::Subnetwork;
use isogloss_model::{HeadChoice, HeadSpec, Pooling, WeightFiles, load, save};
use isogloss_tests::opened_devices;
use isogloss_tests::runs::{Trace, Workshop};
use serde_json::Value;

use super::adapters::language_adapters;

/// Six batches an epoch, and a line of the log for each optimizer step.
const TRAINING: &str = "epochs = 1\nbatch_size = 4\nlog_every = 1";

const CROSS_ENTROPY: &str = "[[objective]]\nmethod.cross_entropy = {}\n";

/// Recipe tables of the views that methods use.
fn views(shop: &Workshop) -> String {
    let dictionaries = shop.path("dictionaries/{language}.txt");
    format!(
        "[views.subword_sampled]\nrate = 0.8\nalpha = 0.2\n\
         [views.code_switched]\ndictionaries = {dictionaries:?}\nlanguages = [\"de\"]\nrate = 0.7\n"
    )
}

/// Recipe table of text without labels.
fn unlabeled(shop: &Workshop) -> String {
    let path = shop.path("texts/{language}.txt");
    format!("[unlabeled]\npath = {path:?}\nlanguages = [\"de\", \"xx\"]\nbatch_size = 3\n")
}

/// Recipe tables of each method, with a name for messages.
fn methods(shop: &Workshop) -> Vec<(&'static str, String)> {
    let views = views(shop);
    let teacher = format!("[teacher]\nsource = {:?}\n", shop.path("teacher/best"));
    let with =
        |method: &str| format!("{CROSS_ENTROPY}[[objective]]\nweight = 0.5\nmethod.{method}\n");
    vec![
        ("r_drop", "[[objective]]\nmethod.r_drop = { alpha = 2.0 }\n".to_owned()),
        ("r3f", with("r3f = { noise = { shape = \"normal\", scale = 1e-2 } }")),
        ("shared r3f", with("r3f = { noise = { scale = 1e-2 }, dropout = \"shared\" }")),
        ("r4f", with("r4f = {}")),
        ("second pass", with("consistency = { view = \"second_pass\", divergence = \"mse\" }")),
        ("noised", with("consistency = { view.noised = { scale = 0.1 } }")),
        ("sampled", with("consistency = { view = \"subword_sampled\" }") + &views),
        (
            "both views",
            with("consistency = { view = \"subword_sampled\" }")
                + "[[objective]]\nmethod.consistency = { view = \"code_switched\" }\n"
                + &views,
        ),
        (
            "teacher",
            with("model_consistency = { text = \"code_switched\" }")
                + "[[objective]]\nmethod.cross_entropy = { text = \"code_switched\" }\n"
                + &views
                + &teacher,
        ),
        (
            "hard teacher",
            with("model_consistency = { text = \"original\", targets = \"hard\" }") + &teacher,
        ),
        (
            "teacher of text without labels",
            with("model_consistency = { text = \"unlabeled\", targets = \"hard\" }")
                + &teacher
                + &unlabeled(shop),
        ),
        ("mean teacher", with("mean_teacher = { momentum = 0.6 }")),
        (
            "scheduled mean teacher",
            with(
                "mean_teacher = { momentum = 0.6, momentum_schedule.refresh = { every_steps = 2 } }",
            ),
        ),
        (
            "switched mean teacher",
            with("mean_teacher = { text = \"code_switched\", cost = \"kl\" }")
                + "[[objective]]\nmethod.r4f = {}\n"
                + &views,
        ),
        ("uda", with("uda = { temperature = 0.5, confidence = 0.3 }") + &views + &unlabeled(shop)),
        (
            "noised uda",
            with("uda = { view.noised = { scale = 0.1 } }")
                + &unlabeled(shop)
                + "sampling.ucb = {}\n",
        ),
        (
            "pseudo-labels",
            with("pseudo_labels = { view = \"second_pass\", confidence.fixed = 0.2 }")
                + "[[objective]]\nweight = 0.1\nmethod.entropy_minimization = {}\n"
                + "[[objective]]\nweight = 0.1\nmethod.class_balance = {}\n"
                + "[[objective]]\nmethod.r4f = {}\n"
                + &unlabeled(shop),
        ),
        (
            "pseudo-labels of an average",
            with(
                "pseudo_labels = { labels = \"soft\", confidence.by_class = { momentum = 0.5 }, momentum = 0.6 }",
            ) + &views
                + &unlabeled(shop)
                + "[update.sam]\n",
        ),
        ("weight noise", with("fisher_penalty = { estimator.weight_noise = { scale = 1e-2 } }")),
        ("head", with("fisher_penalty = { estimator.head = {} }")),
        ("sam", format!("{CROSS_ENTROPY}[update.sam]\nrho = 0.1\n")),
        (
            "tram",
            format!("{CROSS_ENTROPY}[update.tram]\nnoise = {{ scale = 0.1 }}\nadaptive = true\n"),
        ),
        (
            "tram by earlier parameters",
            format!(
                "{CROSS_ENTROPY}[update.tram]\ntrust_region = \"previous\"\n\
                 [update.fisher_penalty]\nevery = 2\nweight = 0.5\n"
            ),
        ),
        (
            "nested updates",
            format!(
                "{CROSS_ENTROPY}[update.sam]\n[update.fisher_penalty]\nevery = 2\nweight = 0.5\n"
            ),
        ),
        ("guided dropout", format!("{CROSS_ENTROPY}[guided_dropout]\nn_batches = 3\n")),
        ("measure", format!("{CROSS_ENTROPY}[measure]\nevery = 2\nn_examples = 6\n")),
    ]
}

/// Workshop with a dictionary and a finished run that can be a teacher.
fn workshop(task: &str) -> Workshop {
    let shop = Workshop::new();
    fs::create_dir(shop.path("dictionaries")).unwrap();
    let entries =
        "turn\tdas\non\tan\noff\taus\nlamp\tlicht\nroom\tküche\nplease\tbitte\nthe\tdas\n";
    fs::write(shop.path("dictionaries/de.txt"), entries).unwrap();
    shop.write_texts();
    shop.finish(&shop.plan(TRAINING, task), &shop.run("teacher"));
    shop
}

/// A teacher whose labels are in another order than those of the run: its logits go by their names.
#[test]
fn a_teacher_goes_by_the_names_of_its_labels() {
    let shop = workshop("");
    let (best, turned) = (shop.run("teacher").best(), shop.path("turned"));
    let loaded = load(&best, &HeadChoice::Saved, &Device::flex()).unwrap();
    let mut labels = loaded.head.unwrap().labels().to_vec();
    labels.reverse();
    let spec = HeadSpec::sequence(labels, Pooling::default());
    let choice = HeadChoice::AsIs { spec: spec.clone() };
    let loaded = load(&best, &choice, &Device::flex()).unwrap();
    fs::create_dir(&turned).unwrap();
    save(&turned, &loaded.model, Some(&spec), &loaded.config_json).unwrap();
    fs::copy(best.join("tokenizer.json"), turned.join("tokenizer.json")).unwrap();
    let losses = |name: &str, teacher: &Path| {
        let tables = format!(
            "{CROSS_ENTROPY}[[objective]]\nmethod.model_consistency = {{ text = \"original\" }}\n\
             [teacher]\nsource = {teacher:?}\n"
        );
        shop.finish(&shop.plan(TRAINING, &tables), &shop.run(name));
        Trace::read(&shop.run(name)).losses()
    };
    let expected = losses("by the run's order", &best);
    assert_eq!(losses("by another order", &turned), expected);
    // The names alone turned make another teacher.
    let path = turned.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let names = serde_json::from_slice::<Value>(&fs::read(best.join("config.json")).unwrap());
    for field in ["id2label", "label2id"] {
        config[field] = names.as_ref().unwrap()[field].clone();
    }
    fs::write(&path, config.to_string()).unwrap();
    assert_ne!(losses("by other names", &turned), expected);
}

fn every_method_repeats_and_resumes(task: &str) {
    let shop = workshop(task);
    for (name, tables) in methods(&shop) {
        let plan = shop.plan(TRAINING, &format!("{tables}{task}"));
        shop.assert_resumes(name, &plan, &[2]);
    }
}

#[test]
fn every_method_classifies_and_resumes() {
    every_method_repeats_and_resumes("");
}

#[test]
fn every_method_tags_and_resumes() {
    every_method_repeats_and_resumes("[task.tagging]\nunits = \"word\"\n");
}

#[test]
fn every_method_runs_on_every_device() {
    let shop = workshop("");
    for device in opened_devices() {
        for (name, tables) in methods(&shop) {
            let plan = shop.plan(&format!("{TRAINING}\nmax_steps = 2"), &tables);
            shop.assert_trains_as_on_flex(&device, name, &plan);
        }
    }
}

#[test]
fn the_head_that_r4f_saves_has_a_spectral_norm_of_one() {
    let shop = workshop("");
    let tables = format!("{CROSS_ENTROPY}[[objective]]\nmethod.r4f = {{}}\n");
    let run = shop.run("r4f");
    shop.finish(&shop.plan(TRAINING, &tables), &run);
    let mut files = WeightFiles::open(&run.best()).unwrap();
    let shape = files.shape("classifier.weight").unwrap().to_vec();
    let weight = files.read("classifier.weight", &shape).unwrap();
    let rows: Vec<&[f32]> = weight.chunks(shape[1]).collect();
    // The largest eigenvalue of the rows' Gram matrix, by power iteration.
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut vector: Vec<f32> = (0..shape[0]).map(|i| 1.0 + i as f32).collect();
    let mut norm = 0.0;
    for _ in 0..500 {
        let next: Vec<f32> = rows
            .iter()
            .map(|a| rows.iter().zip(&vector).map(|(b, v)| dot(a, b) * v).sum())
            .collect();
        norm = dot(&next, &next).sqrt();
        vector = next.iter().map(|x| x / norm).collect();
    }
    assert!((norm.sqrt() - 1.0).abs() < 1e-3, "{}", norm.sqrt());
}

#[test]
fn consistency_brings_the_views_together() {
    let shop = workshop("").without_dropout();
    let run = |name: &str, weight: f64| {
        let tables = format!(
            "{CROSS_ENTROPY}[[objective]]\nweight = {weight:?}\n\
             method.consistency = {{ view = \"code_switched\" }}\n{}",
            views(&shop)
        );
        let run = shop.run(name);
        shop.finish(&shop.plan("epochs = 8\nbatch_size = 4\nlog_every = 6", &tables), &run);
        let lines = Trace::read(&run).metrics.into_iter();
        let losses: Vec<f64> = lines
            .filter(|line| line["kind"] == "train")
            .map(|line| line["losses"]["consistency"].as_f64().unwrap())
            .collect();
        losses[losses.len() - 3..].iter().sum::<f64>()
    };
    let (without, with) = (run("without", 0.0), run("with", 5.0));
    assert!(with < 0.5 * without, "divergence {with} with consistency, {without} without");
}

/// Without dropout the first step has no trust region, and is plain, and so is the second, for the
/// first has a learning rate of zero (warm-up); later ones look as far as the step before has moved
/// predictions.
#[test]
fn tram_by_earlier_parameters_begins_plain_and_then_looks_away() {
    let shop = Workshop::new().without_dropout();
    let losses = |name: &str, update: &str| {
        shop.finish(&shop.plan(TRAINING, update), &shop.run(name));
        Trace::read(&shop.run(name)).losses()
    };
    let plain = losses("plain", "");
    let tram = losses("tram", "[update.tram]\nrho = 100.0\ntrust_region = \"previous\"\n");
    assert_eq!(tram[..3], plain[..3]);
    assert!(tram[3..].iter().zip(&plain[3..]).all(|(a, b)| a != b), "{tram:?} {plain:?}");
}

fn recipes(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(recipes(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found
}

/// Writes a German translation of each text in the workshop's English data.
fn write_translations(shop: &Workshop) {
    let examples = fs::read_to_string(shop.path("data/en.jsonl")).unwrap();
    let translated = examples.lines().map(|line| {
        let example: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = example["text"].as_str().unwrap();
        format!("{text}\t{text} auf Deutsch\n")
    });
    fs::create_dir_all(shop.path("translations")).unwrap();
    fs::write(shop.path("translations/de.tsv"), translated.collect::<String>()).unwrap();
}

/// Writes the recipe with the workshop's model and data and two steps, and returns its path.
fn made_small(path: &Path, folder: &Path, shop: &Workshop) -> PathBuf {
    // The original recipe is valid.
    let plan = Plan::from_file(path).unwrap_or_else(|error| panic!("{error}"));
    let mut recipe: toml::Table = plan.to_toml().parse().unwrap();
    let shop_recipe: toml::Table = shop.recipe(TRAINING, "").parse().unwrap();
    recipe["model"] = shop_recipe["model"].clone();
    let task = recipe["task"].as_table().unwrap().keys().next().unwrap().clone();
    match task.as_str() {
        "retrieval" | "language_modeling" => {}
        "parsing" | "pos_tagging" => {
            let data = recipe["data"].as_table_mut().unwrap();
            let path = shop.path("trees/{language}-{split}.conllu").display().to_string();
            data.insert("path".into(), path.into());
            data.insert("sources".into(), vec!["en"].into());
            data.insert("languages".into(), vec!["de"].into());
        }
        _ => {
            let has_several =
                recipe["data"]["sources"].as_array().is_some_and(|sources| sources.len() > 1);
            recipe["data"] = shop_recipe["data"].clone();
            if has_several {
                let data = recipe["data"].as_table_mut().unwrap();
                data.insert("sources".into(), vec!["en", "de"].into());
            }
        }
    }
    let training = recipe["training"].as_table_mut().unwrap();
    training.insert("max_steps".into(), 2.into());
    training.insert("batch_size".into(), 4.into());
    let table = |recipe: &mut toml::Table, names: &[&str], small: &dyn Fn(&mut toml::Table)| {
        let first = recipe.get_mut(names[0]);
        let last = names[1..].iter().try_fold(first, |table, name| Some(table?.get_mut(*name)));
        if let Some(table) = last.flatten() {
            small(table.as_table_mut().unwrap());
        }
    };
    let path_of = |name: &str| toml::Value::from(shop.path(name).display().to_string());
    table(&mut recipe, &["views", "code_switched"], &|views| {
        views.insert("dictionaries".into(), path_of("dictionaries/{language}.txt"));
        views.insert("languages".into(), vec!["de"].into());
    });
    table(&mut recipe, &["views", "translated"], &|views| {
        write_translations(shop);
        views.insert("path".into(), path_of("translations/{language}.tsv"));
    });
    table(&mut recipe, &["pairs"], &|pairs| {
        pairs.insert("path".into(), path_of("pairs/en-{language}.tsv"));
        pairs.insert("languages".into(), vec!["de", "xx"].into());
        if pairs.contains_key("held_out") {
            pairs.insert("held_out".into(), 4.into());
        }
    });
    table(&mut recipe, &["monolingual"], &|monolingual| {
        let n_languages = monolingual["languages"].as_array().map_or(2, Vec::len).min(2);
        monolingual.insert("path".into(), path_of("text/{language}.txt"));
        monolingual.insert("languages".into(), ["de", "xx"][..n_languages].to_vec().into());
        monolingual.insert("max_length".into(), 12.into());
        if monolingual.contains_key("held_out") {
            monolingual.insert("held_out".into(), 4.into());
        }
    });
    for name in ["unlabeled", "centring"] {
        table(&mut recipe, &[name], &|texts| {
            texts.insert("path".into(), path_of("texts/{language}.txt"));
            texts.insert("languages".into(), vec!["de", "xx"].into());
        });
    }
    table(&mut recipe, &["language_adapter"], &|adapters| {
        adapters.insert("path".into(), path_of("lm/{language}/best/adapters/{language}"));
    });
    table(&mut recipe, &["schedule", "fixed"], &|fixed| {
        fixed.insert("layers".into(), vec![1].into());
    });
    table(&mut recipe, &["schedule", "freeze"], &|freeze| {
        let is_there = |prefix: &toml::Value| {
            let layer = prefix.as_str().unwrap().strip_prefix("encoder.layers.");
            layer.is_none_or(|layer| layer.starts_with("0."))
        };
        freeze["parameters"].as_array_mut().unwrap().retain(is_there);
    });
    table(&mut recipe, &["pairs", "aligner", "dictionary"], &|dictionary| {
        dictionary.insert("path".into(), path_of("dictionaries/en-{language}.txt"));
    });
    table(&mut recipe, &["pairs", "aligner", "encoder"], &|encoder| {
        encoder.insert("layer".into(), 2.into());
    });
    table(&mut recipe, &["pairs", "aligner", "pharaoh"], &|links| {
        links.insert("path".into(), path_of("links/en-{language}.align"));
    });
    table(&mut recipe, &["subnetworks"], &|subnetworks| {
        for (seed, language) in ["en", "de"].into_iter().enumerate() {
            let path = shop.path(&format!("{language}.toml"));
            write_subnetwork(&path, &Subnetwork::whole(2, 4).random(seed as u64)).unwrap();
        }
        subnetworks.insert("path".into(), path_of("{language}.toml"));
    });
    table(&mut recipe, &["student"], &|student| {
        student.insert("layers".into(), vec![0, 1].into());
        student.insert("intermediate_size".into(), 40.into());
    });
    table(&mut recipe, &["teacher"], &|teacher| {
        let source = match task.as_str() {
            "classification" => "head_teacher/best",
            "pos_tagging" => "tag_teacher/best",
            _ => "model",
        };
        teacher.insert("source".into(), path_of(source));
    });
    for objective in
        recipe.get_mut("objective").and_then(|all| all.as_array_mut()).into_iter().flatten()
    {
        for (_, method) in objective["method"].as_table_mut().unwrap() {
            let method = method.as_table_mut().unwrap();
            if method.contains_key("layer") {
                method.insert("layer".into(), 2.into());
            }
            // The student has the same two layers as the model.
            if method.contains_key("layers") {
                let pairs = [1, 2].map(|layer| toml::Value::from(vec![layer, layer]));
                let is_pairs = method["layers"].as_array().is_some_and(|all| all[0].is_array());
                let layers = if is_pairs { pairs.to_vec() } else { vec![1.into(), 2.into()] };
                method.insert("layers".into(), layers.into());
            }
            if method.contains_key("queue_size") {
                method.insert("queue_size".into(), 20.into());
            }
        }
    }
    let small = shop.path("recipes").join(path.strip_prefix(folder).unwrap());
    fs::create_dir_all(small.parent().unwrap()).unwrap();
    fs::write(&small, recipe.to_string()).unwrap();
    small
}

#[test]
fn every_recipe_that_ships_runs() {
    let shop = workshop("").with_trees();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/recipes");
    let recipes = recipes(&folder);
    assert!(recipes.len() >= 30, "found only {recipes:?}");
    let small: Vec<_> = recipes.iter().map(|path| made_small(path, &folder, &shop)).collect();
    for (recipe, teacher) in [("plain", "head_teacher"), ("pos_tagging", "tag_teacher")] {
        let name = format!("small/{recipe}.toml");
        let recipe = small.iter().find(|path| path.ends_with(&name)).unwrap();
        let _: Results = shop.finish(&Plan::from_file(recipe).unwrap(), &shop.run(teacher));
    }
    language_adapters(&shop);
    for (path, small) in recipes.iter().zip(&small) {
        let plan = Plan::from_file(small).unwrap_or_else(|error| panic!("{error}"));
        let run = shop.run(&format!("ships {}", path.display()).replace('/', " "));
        let results: Results = shop.finish(&plan, &run);
        assert_eq!(results.selection.step, 2, "{}", path.display());
    }
}
