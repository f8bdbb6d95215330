//! Whole training runs: their files, reproducibility, and what training leaves unchanged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::text::{FeatureOptions, Format, ReadOptions, read_treebank_file};
use isogloss::{Evaluator, LabeledSet, Predictor, RunFolder, RunStatus};
use isogloss_tests::runs::{FINISHED, LANGUAGES, Trace, Workshop, entries, plan_of};
use isogloss_tests::{difference, opened_devices};
use serde_json::Value;

/// Six batches an epoch, and a line of the log for each optimizer step.
const EVERY_STEP: &str = "batch_size = 4\nlog_every = 1";

#[test]
fn a_finished_run_holds_what_it_should_and_nothing_else() {
    let shop = Workshop::new();
    let plan = shop.plan(&format!("epochs = 6\ncheckpoint_every = 5\n{EVERY_STEP}"), "");
    let run = shop.run("run");
    let results = shop.finish(&plan, &run);

    assert_eq!(entries(&run), FINISHED);
    assert_eq!(fs::read_to_string(run.path().join("recipe.toml")).unwrap(), plan.to_toml());
    let environment = fs::read(run.path().join("environment.json")).unwrap();
    let environment: Value = serde_json::from_slice(&environment).unwrap();
    assert_eq!((&environment["seed"], &environment["device"]["name"]), (&7.into(), &"flex".into()));

    let trace = Trace::read(&run);
    let losses = trace.losses();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..6]), mean(&losses[losses.len() - 6..]));
    assert_eq!(losses.len(), 36);
    assert!(last < 0.5 * first, "mean loss of six steps: first {first}, last {last}");
    let dev: Vec<_> = trace.metrics.iter().filter(|line| line["kind"] == "dev").collect();
    assert_eq!(dev.len(), 6);
    let best = dev.iter().map(|line| line["accuracy"].as_f64().unwrap()).fold(0.0, f64::max);
    let chosen = dev.iter().find(|line| line["accuracy"].as_f64() == Some(best)).unwrap();
    assert_eq!(results.selection.score, best);
    assert_eq!(chosen["step"], results.selection.step, "the earliest of equals");

    let languages: Vec<_> = results.languages.keys().map(String::as_str).collect();
    assert_eq!(languages, ["de", "en", "xx"]);
    assert_eq!((results.n_targets, results.source()), (2, "en"));
    for language in LANGUAGES {
        assert_eq!(results.languages[language].n, 12);
        let lines = &trace.predictions[&format!("{language}.jsonl")];
        assert_eq!(lines.lines().count(), 12, "predictions of {language}");
    }

    // A second call returns at once and changes nothing.
    let time = |run: &RunFolder| fs::metadata(run.path().join("best")).unwrap().modified().unwrap();
    let before = time(&run);
    assert_eq!(shop.finish(&plan, &run), results);
    assert_eq!((time(&run), Trace::read(&run)), (before, trace));
    assert_eq!(entries(&run), FINISHED);
}

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    let shop = Workshop::new();
    let plan = shop.plan(&format!("epochs = 2\n{EVERY_STEP}"), "");
    let [first, second, other] = ["first", "second", "other"].map(|name| shop.run(name));
    shop.finish(&plan, &first);
    shop.finish(&plan, &second);
    shop.finish(&plan.clone().with_seed(8), &other);

    assert_eq!(Trace::read(&first), Trace::read(&second));
    let weights = |run: &RunFolder| fs::read(run.best().join("model.safetensors")).unwrap();
    assert!(weights(&first) == weights(&second), "the chosen weights differ");
    let losses = [&first, &other].map(|run| Trace::read(run).losses());
    assert!(losses[0].iter().zip(&losses[1]).all(|(a, b)| a != b), "{losses:?}");
}

#[test]
fn accumulated_batches_make_one_step() {
    let shop = Workshop::new();
    // With six batches, the last step of an epoch has two in both cases.
    for (accumulate, n_steps) in [(2, 6), (4, 4)] {
        let training = format!("epochs = 2\naccumulate = {accumulate}\n{EVERY_STEP}");
        let run = shop.run(&format!("run-{accumulate}"));
        shop.finish(&shop.plan(&training, ""), &run);
        assert_eq!(Trace::read(&run).losses().len(), n_steps);
    }
}

/// Values of all parameters in a safetensors file, as bytes.
fn parameters(path: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

#[test]
fn frozen_parameters_stay_bit_equal_under_adamw_with_decay() {
    let shop = Workshop::new();
    let freeze = "[schedule.freeze]\nparameters = [\"encoder.embeddings\"]";
    let run = shop.run("run");
    let plan = shop.plan("epochs = 2\nbatch_size = 4", freeze);
    assert!(plan.recipe().optimizer.adamw.weight_decay > 0.0);
    // A resumed run must keep them unchanged too.
    shop.stop_after(3, &plan, &run);
    shop.finish(&plan, &run);

    let before = parameters(&shop.path("model/model.safetensors"));
    let after = parameters(&run.best().join("model.safetensors"));
    let (mut n_frozen, mut n_changed) = (0, 0);
    for (name, values) in &after {
        let Some(start) = before.get(name) else { continue };
        if name.starts_with("bert.embeddings.") {
            assert!(values == start, "{name} has changed");
            n_frozen += 1;
        } else if !name.starts_with("classifier.") {
            assert!(values != start, "{name} has not changed");
            n_changed += 1;
        }
    }
    assert_eq!((n_frozen, n_changed), (5, 32));
}

#[test]
fn tagging_runs_from_slots_to_span_f1() {
    let shop = Workshop::new();
    for units in ["subword", "word"] {
        let task = format!("[task.tagging]\nunits = \"{units}\"");
        let run = shop.run(units);
        let results = shop.finish(&shop.plan("epochs = 12\nbatch_size = 4", &task), &run);
        assert_eq!((results.task.as_str(), results.metric.as_str()), ("tagging", "span_f1"));
        let span_f1 = results.languages["en"].scores.get("span_f1").unwrap();
        assert!(span_f1 > 0.8, "{units}: span F1 {span_f1} in the language of training");
        let json: Value = serde_json::from_str(&Trace::read(&run).results).unwrap();
        assert_eq!(json["languages"]["en"]["span_f1"], span_f1);
        let tags = &Trace::read(&run).predictions["en.jsonl"];
        assert!(tags.lines().all(|line| serde_json::from_str::<Vec<String>>(line).is_ok()));
        assert!(tags.contains("\"B-place\""), "{tags}");
    }
}

#[test]
fn parts_of_speech_are_scored_as_evaluate_scores_the_best_model() {
    let shop = Workshop::new().with_trees();
    let recipe = shop.recipe("epochs = 12\nbatch_size = 4", "[task.pos_tagging]");
    let trees = shop.path("trees/{language}-{split}.conllu");
    let recipe =
        recipe.replace(&format!("{:?}", shop.path("data/{language}.jsonl")), &format!("{trees:?}"));
    let recipe = recipe.replace("sources =", "languages = [\"de\"]\nsources =");
    let run = shop.run("run");
    let results = shop.finish(&plan_of(&recipe), &run);
    assert_eq!((results.task.as_str(), results.metric.as_str()), ("pos_tagging", "accuracy"));
    let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
    let (task, labels) = (predictor.task(), predictor.labels().unwrap());
    assert_eq!(task.name(), "pos_tagging");
    for language in ["en", "de"] {
        let path = shop.path(&format!("trees/{language}-test.conllu"));
        let set = LabeledSet::read(
            &path,
            &ReadOptions::new(Format::Conllu),
            task,
            language.parse().unwrap(),
            predictor.tokenizer(),
            &labels,
            &FeatureOptions::new(64),
        );
        let evaluator = Evaluator {
            model: &predictor.loaded().model,
            task,
            labels: &labels,
            batch_size: 3,
            device: &Device::flex(),
            subnetwork: None,
            centring: None,
        };
        let (found, _) = evaluator.score(&set.unwrap()).unwrap();
        assert_eq!(found, results.languages[language], "{language}");

        // Word by word against the treebank, from the prediction files of the run.
        let gold = read_treebank_file(&path).unwrap();
        let gold = gold.sentences.iter().flat_map(|one| one.words()).map(|word| &word.upos);
        let predicted = Trace::read(&run).predictions[&format!("{language}.jsonl")].clone();
        let predicted =
            predicted.lines().flat_map(|line| serde_json::from_str::<Vec<String>>(line).unwrap());
        let pairs: Vec<_> = gold.zip(predicted).collect();
        let right = pairs.iter().filter(|(gold, predicted)| *gold == predicted).count();
        let accuracy = right as f64 / pairs.len() as f64;
        assert_eq!(found.scores.get("accuracy"), Some(accuracy), "{language}");
    }
    assert!(results.languages["en"].scores.main() > 0.9, "{results:?}");
}

/// Fails unless twelve steps on flex and on `device` give the same losses, predictions and results.
fn agrees_with_flex(shop: &Workshop, device: &OpenDevice) {
    /// Difference of f32 sums in another order, at a high learning rate.
    const TOLERANCE: f32 = 1e-3;
    let name = &device.info.name;
    let plan = shop.plan(&format!("epochs = 2\n{EVERY_STEP}"), "");
    let [expected, found] = [&open(DeviceChoice::Flex).unwrap(), device].map(|device| {
        let run = shop.run(&format!("on-{}", device.info.name.replace(':', "-")));
        shop.finish_on(device, &plan, &run);
        Trace::read(&run)
    });
    let [a, b] = [&found, &expected]
        .map(|trace| trace.losses().iter().map(|loss| *loss as f32).collect::<Vec<_>>());
    let (_, relative) = difference(&a, &b);
    eprintln!("{name}: losses differ by {relative:e}");
    assert!(relative <= TOLERANCE, "{name}: losses differ by {relative:e}: {a:?}, flex {b:?}");
    assert_eq!(found.predictions, expected.predictions, "{name}");
    assert_eq!(found.results, expected.results, "{name}");
}

#[test]
fn devices_agree_on_a_short_run() {
    let shop = Workshop::new();
    for device in opened_devices() {
        agrees_with_flex(&shop, &device);
    }
}

#[test]
fn a_run_that_is_done_says_so() {
    let shop = Workshop::new();
    let (plan, run) = (shop.plan("epochs = 1\nbatch_size = 8", ""), shop.run("run"));
    assert_eq!(run.status().unwrap(), RunStatus::New);
    shop.stop_after(2, &plan, &run);
    assert_eq!(run.status().unwrap(), RunStatus::Unfinished(2));
    let results = shop.finish(&plan, &run);
    assert_eq!(run.status().unwrap(), RunStatus::Done(Box::new(results)));
}

#[test]
fn a_model_selected_by_all_languages_is_said_not_to_be_zero_shot() {
    let shop = Workshop::new();
    let training = "epochs = 6\nbatch_size = 4\nselection = \"all_languages\"";
    // The dev sets are scored at the end once more, as test sets.
    let recipe = shop.recipe(training, "");
    let recipe = recipe.replace("sources = [\"en\"]", "sources = [\"en\"]\nsplits.test = \"dev\"");
    let run = shop.run("all");
    let results = shop.finish(&plan_of(&recipe), &run);
    assert!(results.selection.rule.contains("not zero-shot"), "{}", results.selection.rule);
    let metrics = Trace::read(&run).metrics;
    let devs: Vec<_> = metrics.iter().filter(|line| line["kind"] == "dev").collect();
    assert_eq!(devs.len(), 6);
    let mean = |line: &serde_json::Value| {
        let of = ["de", "en", "xx"].map(|tag| line["languages"][tag].as_f64().unwrap());
        of.iter().sum::<f64>() / 3.0
    };
    let best = devs.iter().map(|line| mean(line)).fold(f64::MIN, f64::max);
    let chosen = devs.iter().find(|line| line["step"] == results.selection.step).unwrap();
    assert!((mean(chosen) - best).abs() < 1e-12 && (results.selection.score - best).abs() < 1e-12);
    for (tag, result) in &results.languages {
        assert_eq!(chosen["languages"][tag.as_str()], result.scores.main(), "{tag}");
    }
    // By the source alone, another step is chosen at times, and no other dev set is read.
    let by_source = recipe.replace("selection = \"all_languages\"", "selection = \"sources\"");
    let results = shop.finish(&plan_of(&by_source), &shop.run("source"));
    assert!(results.selection.rule.contains("on the dev set of en"));
}

#[test]
fn embeddings_are_opened_at_last_where_the_schedule_says_so() {
    let shop = Workshop::new();
    let embeddings = |folder: &Path| {
        let bytes = fs::read(folder.join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let names = tensors.names().into_iter();
        let mut names = names.filter(|name| name.ends_with("embeddings.word_embeddings.weight"));
        tensors.tensor(names.next().unwrap()).unwrap().data().to_vec()
    };
    let before = embeddings(&shop.path("model"));
    // Two layers open at steps 0 and k, the embeddings at 2 k, of 18 steps.
    for (every_steps, opens) in [(9, false), (1, true)] {
        let schedule = format!(
            "[schedule.gradual_unfreeze]\nevery_steps = {every_steps}\nembeddings = true\n"
        );
        let plan = shop.plan("epochs = 3\nbatch_size = 4\nlog_every = 1", &schedule);
        let name = format!("every {every_steps}");
        let trace = shop.assert_resumes(&name, &plan, &[5, 8]);
        let opened: Vec<_> = trace.metrics.iter().filter(|line| line["kind"] == "open").collect();
        assert_eq!(opened.len(), if opens { 3 } else { 2 }, "{opened:?}");
        let run = shop.run(&format!("{name} whole"));
        let after = embeddings(&run.best());
        if opens {
            let line = opened.last().unwrap();
            assert_eq!((&line["step"], &line["embeddings"]), (&2.into(), &true.into()));
            assert_ne!(after, before);
        } else {
            assert_eq!(after, before);
        }
    }
}
