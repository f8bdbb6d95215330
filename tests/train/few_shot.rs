//! Few-shot evaluation: meta-learning (MAML, Reptile) against plain training.

use std::fs;

use isogloss::text::Tokenizer;
use isogloss::{Plan, Results};
use isogloss_kernels::split_seed;
use isogloss_tests::runs::{Trace, Workshop, plan_of};

/// Languages: six to train on, and two to evaluate few-shot.
const LANGUAGES: [&str; 8] = ["aa", "bb", "cc", "dd", "ee", "ff", "xx", "yy"];

/// Writes texts whose label is a cue word (`lamp` or `door`) that means opposite labels in
/// alternate languages. Over all languages the cue tells nothing; a few texts of one language
/// reveal its meaning.
fn planted() -> Workshop {
    let shop = Workshop::new();
    let around = ["please", "the", "room", "it", "warm", "stop"];
    for (language, name) in LANGUAGES.into_iter().enumerate() {
        let mut lines = String::new();
        for (split, n) in [("train", 400), ("dev", 8), ("test", 60)] {
            for index in 0..n {
                let seed = split_seed(language as u64, 1000 * split.len() as u64 + index);
                let word = |at: u64| around[(split_seed(seed, at) % 6) as usize];
                let cue = if index.is_multiple_of(2) { "lamp" } else { "door" };
                let label = if (index + language as u64).is_multiple_of(2) { "yes" } else { "no" };
                let text = format!("{} {cue} {} {}", word(0), word(1), word(2));
                let line = serde_json::json!({ "text": text, "label": label, "split": split });
                lines.push_str(&format!("{line}\n"));
            }
        }
        fs::write(shop.path(&format!("data/{name}.jsonl")), lines).unwrap();
    }
    shop
}

fn plan(shop: &Workshop, training: &str, tables: &str) -> Plan {
    let sources = format!("sources = {:?}\nlanguages = [\"xx\", \"yy\"]", &LANGUAGES[..6]);
    let recipe = shop.recipe(training, tables).replace("sources = [\"en\"]", &sources);
    plan_of(&recipe)
}

const FEW_SHOT: &str = "[few_shot]\nn_support = 8\nsteps = 8\nlearning_rate = 5e-2\n";

#[test]
fn training_in_tasks_beats_training_on_all_of_their_examples() {
    let shop = planted();
    let training = "epochs = 1\nbatch_size = 8\naccumulate = 4";
    let run = |name: &str, tables: &str| -> Results {
        shop.finish(&plan(&shop, training, &format!("{tables}\n{FEW_SHOT}")), &shop.run(name))
    };
    let few = |results: &Results| results.mean_few_shot.unwrap();
    let plain = run("plain", "");
    let maml = run(
        "first-order MAML",
        "[update.first_order_maml]\ninner_steps = 4\ninner_learning_rate = 5e-2\n",
    );
    let reptile = run("Reptile", "[update.reptile]\ninner_steps = 4\ninner_learning_rate = 5e-2\n");
    // Zero-shot scores are near chance.
    for results in [&plain, &maml, &reptile] {
        assert!(results.mean_target.unwrap() < 0.65, "{results:?}");
        assert_eq!(results.few_shot.keys().collect::<Vec<_>>(), ["xx", "yy"]);
    }
    assert!(few(&maml) > few(&plain) + 0.2, "{} {}", few(&maml), few(&plain));
    assert!(few(&reptile) > few(&plain) + 0.2, "{} {}", few(&reptile), few(&plain));
}

#[test]
fn scores_after_a_few_examples_do_not_depend_on_interruptions() {
    let shop = planted();
    let training = "max_steps = 12\nbatch_size = 8\naccumulate = 2\nlog_every = 1";
    let plan = plan(&shop, training, &format!("[update.first_order_maml]\n{FEW_SHOT}"));
    let (whole, parts) = (shop.run("whole"), shop.run("parts"));
    let results = shop.finish(&plan, &whole);
    shop.stop_after(5, &plan, &parts);
    shop.finish(&plan, &parts);
    assert_eq!(Trace::read(&parts), Trace::read(&whole));
    // The zero-shot scores of the same model are reported too.
    assert!(results.mean_few_shot.is_some() && results.mean_target.is_some());
    assert!(results.few_shot.keys().all(|language| results.languages.contains_key(language)));
}

#[test]
fn too_few_examples_are_told() {
    let shop = planted();
    let path = shop.path("data/yy.jsonl");
    let all = fs::read_to_string(&path).unwrap();
    let mut n_train = 0;
    let few = all.lines().filter(|line| {
        n_train += usize::from(line.contains("train"));
        !line.contains("train") || n_train < 6
    });
    fs::write(&path, few.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let plan = plan(&shop, "max_steps = 1\nbatch_size = 8", FEW_SHOT);
    let error = shop.try_finish(&plan, &shop.run("few")).unwrap_err().to_string();
    let expected = "yy.jsonl: 5 examples to learn from in yy: few_shot.n_support asks for 8";
    assert!(error.contains(expected), "{error}");

    let frozen = format!("{}[schedule.freeze]\nparameters = [\"encoder\", \"head\"]\n", FEW_SHOT);
    let whole = planted();
    let frozen = self::plan(&whole, "max_steps = 1\nbatch_size = 8", &frozen);
    let error = whole.try_finish(&frozen, &whole.run("frozen")).unwrap_err().to_string();
    assert!(error.contains("few_shot: the schedules leave no parameter"), "{error}");

    let recipe = shop.recipe("epochs = 1", "[few_shot]\nsteps = 0\nlearning_rate = -1.0\n");
    let error = Plan::from_toml(&recipe, "tiny.toml".as_ref()).unwrap_err().to_string();
    assert!(error.contains("few_shot.steps: expected at least 1, found 0"), "{error}");
    assert!(error.contains("few_shot.learning_rate: expected a positive number"), "{error}");
}

/// Labels that the sources lack leave out what the support sets could be sampled from.
#[test]
fn examples_that_the_few_cannot_be_are_counted() {
    let shop = planted();
    let path = shop.path("data/yy.jsonl");
    let mut lines = fs::read_to_string(&path).unwrap();
    for text in ["the lamp", "the door"] {
        let line = serde_json::json!({ "text": text, "label": "other", "split": "train" });
        lines.push_str(&format!("{line}\n"));
    }
    fs::write(&path, lines).unwrap();
    let recipe = plan(&shop, "max_steps = 1\nbatch_size = 8", FEW_SHOT).to_toml();
    let recipe = recipe.replace("unseen_labels = \"error\"", "unseen_labels = \"skip\"");
    let (without, _) = recipe.split_once("[few_shot]").unwrap();
    for (name, recipe, expected) in [("without", without, None), ("with", &recipe, Some(2))] {
        let plan = Plan::from_toml(recipe, "counted.toml".as_ref()).unwrap();
        let data = shop.finish(&plan, &shop.run(name)).data.unwrap();
        assert_eq!(data.left_out.get("other").copied(), expected, "{name} few-shot examples");
    }
}

#[test]
fn words_of_the_few_examples_stay_in_a_trimmed_vocabulary() {
    let shop = planted();
    // Only the training examples have this word.
    let path = shop.path("data/yy.jsonl");
    let all = fs::read_to_string(&path).unwrap();
    let lines = all.lines().map(|line| match line.contains("train") {
        true => format!("{}\n", line.replace("lamp", "küche")),
        false => format!("{line}\n"),
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
    let recipe = plan(&shop, "max_steps = 1\nbatch_size = 8", FEW_SHOT).to_toml();
    let trimmed = recipe.replace("[model]\n", "[model]\ntrim = true\n");
    let plan = Plan::from_toml(&trimmed, "trimmed.toml".as_ref()).unwrap();
    let run = shop.run("trimmed");
    shop.finish(&plan, &run);
    let tokens = |folder: &std::path::Path, text: &str| {
        let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap();
        let ids = tokenizer.encode(text, None, 16).unwrap().ids;
        (ids.len(), ids.iter().any(|id| Some(*id) == tokenizer.unknown_id()))
    };
    let whole = tokens(&shop.path("model"), "küche");
    assert_eq!(tokens(&run.best(), "küche"), whole);
    assert!(!whole.1);
}
