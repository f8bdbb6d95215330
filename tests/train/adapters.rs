//! Whole runs with adapters and unfreezing schedules.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use isogloss::device::{DeviceChoice, open};
use isogloss::{
    Evaluator, Event, Plan, Prediction, Predictor, RunFolder, RunOptions, finetune, merge,
};
use isogloss_methods::{FixedLayersConfig, Moment, Schedule, UnfreezeScope, apply_schedules};
use isogloss_model::{
    AdapterLibrary, BottleneckConfig, ForwardOptions, HeadChoice, ModelFolder, NamedParam,
    base_folder, load, named_parameters,
};
use isogloss_tests::runs::{FINISHED, LANGUAGES, Trace, Workshop, entries, plan_of};
use isogloss_tests::{copy_folder, fixtures, opened_devices};
use isogloss_text::{Content, Format, Language, ReadOptions, Unseen};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

/// Twelve steps, with a line of the log for each.
const TRAINING: &str = "epochs = 2\nbatch_size = 4\nlog_every = 1\ncheckpoint_every = 5";

const SEQ_BN: &str = "[adapter.seq_bn]\nreduction_factor = 2\n";
const LORA: &str = "[adapter.lora]\nr = 2\nlora_alpha = 4.0\nlora_dropout = 0.1\n\
                    target_modules = [\"query\", \"value\"]\n";
const IA3: &str = "[adapter.ia3]\ntarget_modules = [\"key\", \"value\", \"feed_forward_down\"]\n\
                   feedforward_modules = [\"feed_forward_down\"]\n";
const FUN: &str = "[schedule.fun]\nevery_steps = 3\nn_batches = 2\n";

/// Recipe tables of each adapter and schedule, with a name for messages.
fn cases() -> Vec<(&'static str, String)> {
    let gradual = |order: &str| {
        format!("{SEQ_BN}[schedule.gradual_unfreeze]\nevery_steps = 3\norder = \"{order}\"\n")
    };
    vec![
        ("seq_bn", SEQ_BN.to_owned()),
        ("double_seq_bn", "[adapter.double_seq_bn]\nreduction_factor = 2\ndropout = 0.1\n".into()),
        ("par_bn", "[adapter.par_bn]\nreduction_factor = 2\n".into()),
        ("left out", format!("{SEQ_BN}leave_out = [1]\n")),
        ("lora", LORA.to_owned()),
        ("ia3", IA3.to_owned()),
        ("top down", gradual("top_down")),
        ("bottom up", gradual("bottom_up")),
        ("random", gradual("random")),
        ("lpft", format!("{SEQ_BN}[schedule.lpft]\nsteps = 3\ntiming = \"authors_code\"\n")),
        ("fixed", format!("{SEQ_BN}[schedule.fixed]\nlayers = [1]\n")),
        ("fun", format!("{SEQ_BN}{FUN}")),
        ("fun of lora", format!("{LORA}{FUN}timing = \"authors_code\"\n")),
        ("fun of layers", FUN.to_owned()),
        ("fun of tags", format!("[task.tagging]\n{SEQ_BN}{FUN}")),
        ("both", format!("{SEQ_BN}{FUN}[schedule.freeze]\nparameters = [\"encoder.layers.0.\"]\n")),
    ]
}

fn parameters(folder: &Path) -> BTreeMap<String, Vec<f32>> {
    let model = load(folder, &HeadChoice::Saved, &Device::flex()).unwrap().model;
    let values = |param: &NamedParam| param.data().try_into_vec::<f32>().unwrap();
    named_parameters(&model).iter().map(|param| (param.path.clone(), values(param))).collect()
}

/// Layers that were unfrozen by the log, with their steps.
fn opened(run: &RunFolder) -> Vec<(u64, Vec<u64>)> {
    let lines = Trace::read(run).metrics.into_iter().filter(|line| line["kind"] == "open");
    let layers = |line: &serde_json::Value| {
        line["layers"].as_array().unwrap().iter().map(|layer| layer.as_u64().unwrap()).collect()
    };
    lines.map(|line| (line["step"].as_u64().unwrap(), layers(&line))).collect()
}

#[test]
fn every_adapter_and_schedule_trains_and_resumes() {
    let shop = Workshop::new();
    for (name, tables) in cases() {
        let plan = shop.plan(TRAINING, &tables);
        let trace = shop.assert_resumes(name, &plan, &[2, 3, 7]);
        assert_eq!(trace.losses().len(), 12, "{name}");
        if ["top down", "fun"].contains(&name) {
            let plan = shop.plan(&format!("{TRAINING}\nfrozen.dropout = false"), &tables);
            shop.assert_resumes(&format!("{name}, cached"), &plan, &[2, 3, 7]);
        }
    }
}

#[test]
fn schedules_open_layers_when_they_say() {
    let shop = Workshop::new();
    let expected = [
        ("seq_bn", vec![]),
        ("top down", vec![(0, vec![1]), (3, vec![0])]),
        ("bottom up", vec![(0, vec![0]), (3, vec![1])]),
        ("lpft", vec![(2, vec![0, 1])]),
    ];
    for (name, tables) in cases() {
        let Some((_, expected)) = expected.iter().find(|(other, _)| *other == name) else {
            continue;
        };
        let run = shop.run(name);
        shop.finish(&shop.plan(TRAINING, &tables), &run);
        assert_eq!(opened(&run), *expected, "{name}");
    }
}

#[test]
fn fun_opens_the_layer_with_the_larger_trace() {
    let shop = Workshop::new();
    let run = shop.run("fun");
    shop.finish(&shop.plan(TRAINING, &format!("{SEQ_BN}{FUN}")), &run);
    let lines: Vec<_> =
        Trace::read(&run).metrics.into_iter().filter(|line| line["kind"] == "open").collect();
    let first = &lines[0];
    let traces: Vec<f64> =
        first["traces"].as_array().unwrap().iter().map(|t| t.as_f64().unwrap()).collect();
    assert!(traces.iter().all(|trace| *trace > 0.0), "{first}");
    let larger = u64::from(traces[1] >= traces[0]);
    assert_eq!(opened(&run), [(0, vec![larger]), (3, vec![1 - larger])]);
}

#[test]
fn fun_opens_the_layer_that_has_anything_to_learn() {
    let shop = Workshop::new();
    for leave_out in [0, 1] {
        let run = shop.run(&format!("without {leave_out}"));
        let tables = format!("{SEQ_BN}leave_out = [{leave_out}]\n{FUN}");
        shop.finish(&shop.plan(TRAINING, &tables), &run);
        assert_eq!(opened(&run), [(0, vec![1 - leave_out])], "whatever its height");
    }
}

#[test]
fn what_opens_later_has_no_moments_before_and_does_not_move() {
    let shop = Workshop::new();
    let (adapters, run) =
        (format!("{SEQ_BN}[schedule.gradual_unfreeze]\nevery_steps = 3\n"), shop.run("run"));
    let plan = shop.plan(TRAINING, &adapters);
    let state = |step: u64| {
        shop.stop_after(step, &plan, &run);
        let folder = run.path().join(format!("checkpoints/step-{step:08}"));
        let text = std::fs::read(folder.join("state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&text).unwrap();
        (state["optimizer_steps"].as_object().unwrap().clone(), parameters(&folder))
    };
    let is_of =
        |path: &str, layer: usize| path.starts_with(&format!("encoder.layers.{layer}.adapters."));
    let (_, first) = state(1);
    let (steps, second) = state(2);
    assert!(steps.keys().any(|path| is_of(path, 1)) && !steps.keys().any(|path| is_of(path, 0)));
    for (path, value) in &second {
        let moves = is_of(path, 1) || path.starts_with("head.");
        assert_eq!(first[path] != *value, moves, "{path}");
    }
    let (steps, _) = state(5);
    for (layer, n_steps) in [(0, 2), (1, 5)] {
        let mut of_layer = steps.iter().filter(|(path, _)| is_of(path, layer));
        assert!(of_layer.all(|(_, found)| *found == n_steps), "layer {layer}: {steps:?}");
    }
}

#[test]
fn what_is_not_trained_stays_to_the_last_bit() {
    let shop = Workshop::new();
    let mut before = parameters(&shop.path("model"));
    before.retain(|path, _| path.starts_with("encoder."));
    for (name, tables) in cases() {
        let is_adapted = tables.contains("[adapter");
        let plan = shop.plan(&TRAINING.replace("epochs = 2", "max_steps = 3"), &tables);
        let run = shop.run(name);
        shop.finish(&plan, &run);
        let opened: Vec<u64> = opened(&run).into_iter().flat_map(|(_, layers)| layers).collect();
        let after = parameters(&run.best());
        for (path, value) in &before {
            let is_open = opened.iter().any(|n| path.starts_with(&format!("encoder.layers.{n}.")));
            let changed = after[path] != *value;
            assert_eq!(changed, !is_adapted && is_open, "{name}: {path}");
        }
        if is_adapted {
            assert!(!run.best().join("model.safetensors").exists(), "{name}");
            let base = base_folder(run.best()).unwrap().canonicalize().unwrap();
            assert_eq!(base, shop.path("model").canonicalize().unwrap());
        }
    }
}

#[test]
fn a_folder_of_adapters_predicts_as_the_run_did() {
    let shop = Workshop::new();
    for (name, tables) in cases().into_iter().filter(|(name, _)| *name != "fun of tags") {
        let run = shop.run(name);
        shop.finish(&shop.plan(TRAINING, &tables), &run);
        let predictor = Predictor::load(run.best(), &Device::flex()).unwrap();
        let texts: Vec<String> = std::fs::read_to_string(shop.path("data/de.jsonl"))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["split"] == "test")
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect();
        let texts: Vec<_> = texts.iter().map(|text| (text.as_str(), None)).collect();
        let found = predictor.predict(&texts).unwrap().into_iter().map(|prediction| {
            let Prediction::Class { label, .. } = prediction else { panic!("{prediction:?}") };
            format!("[\"{label}\"]\n")
        });
        assert_eq!(found.collect::<String>(), Trace::read(&run).predictions["de.jsonl"], "{name}");
    }
}

#[test]
fn adapters_train_alike_on_every_device() {
    let shop = Workshop::new();
    for device in opened_devices() {
        for (name, tables) in cases() {
            let plan: Plan = shop.plan("max_steps = 4\nbatch_size = 4\nlog_every = 1", &tables);
            shop.assert_trains_as_on_flex(&device, name, &plan);
        }
    }
}

#[test]
fn states_that_are_kept_change_nothing() {
    let shop = Workshop::new();
    let losses = |name: &str, tables: &str, frozen: &str| {
        let run = shop.run(name);
        let results = shop.finish(&shop.plan(&format!("{TRAINING}\n{frozen}"), tables), &run);
        // The cache leaves no files.
        assert_eq!(entries(&run), FINISHED, "{name}");
        (Trace::read(&run).losses(), results)
    };
    for (name, tables) in cases() {
        let run = |how: &str, frozen: &str| losses(&format!("{name} {how}"), &tables, frozen);
        let cache = |rooms: &str| format!("frozen = {{ dropout = false{rooms} }}");
        let (computed, results) = run("computed", &cache(", memory_gib = 0.0, disk_gib = 0.0"));
        for (how, rooms) in [("memory", ""), ("disk", ", memory_gib = 0.0")] {
            let (kept, same) = run(how, &cache(rooms));
            for (found, expected) in kept.iter().zip(&computed) {
                let error = (found - expected).abs();
                assert!(error < 1e-4, "{name} {how}: {found}, expected {expected}");
            }
            assert_eq!(same.selection.step, results.selection.step, "{name} {how}");
        }
    }
    // As published, frozen layers have dropout.
    let tables = format!("{SEQ_BN}[schedule.fixed]\nlayers = [1]\n");
    let (published, _) = losses("published", &tables, "");
    assert_eq!(published, losses("dropped", &tables, "frozen = { dropout = true }").0);
    assert_ne!(published, losses("not dropped", &tables, "frozen = { dropout = false }").0);
}

#[test]
fn frozen_layers_without_dropout_are_told_beside_methods_of_dropout() {
    let shop = Workshop::new();
    let tables = format!("{SEQ_BN}[schedule.fixed]\nlayers = [1]\n");
    let r_drop = format!("[[objective]]\nmethod.r_drop = {{}}\n{tables}");
    let cached = "frozen = { dropout = false }";
    for (name, tables, frozen, expected) in [
        ("published", &r_drop, "", None),
        ("plain", &tables, cached, Some(vec![])),
        ("r_drop", &r_drop, cached, Some(vec!["r_drop"])),
    ] {
        let plan = shop.plan(&format!("max_steps = 1\n{frozen}"), tables);
        let options = RunOptions::new(shop.path("model"), open(DeviceChoice::Flex).unwrap());
        let mut found = None;
        finetune(&plan, &shop.run(name), &options, &mut |event| {
            if let Event::FrozenDropout { methods } = event {
                found = Some(methods.to_vec());
            }
        })
        .unwrap();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn dropout_of_frozen_layers_is_not_disabled_where_none_are_frozen() {
    let shop = Workshop::new();
    let by_name = "[schedule.freeze]\nparameters = [\"encoder.embeddings\"]\n";
    for (name, tables) in [("none", ""), ("by name", by_name)] {
        let plan = shop.plan("max_steps = 1\nfrozen = { dropout = false }", tables);
        let options = RunOptions::new(shop.path("model"), open(DeviceChoice::Flex).unwrap());
        let error = finetune(&plan, &shop.run(name), &options, &mut |_| ()).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("training.frozen.dropout = false: no schedule"), "{error}");
    }
}

#[test]
fn no_graph_is_made_below_the_lowest_layer_that_learns() {
    let shop = Workshop::new();
    let device = Device::flex().autodiff();
    let model = load(shop.path("model"), &HeadChoice::Without, &device).unwrap().model;
    for layers in [vec![], vec![1], vec![0, 1]] {
        let rule = FixedLayersConfig { layers: layers.clone(), embeddings: false }
            .init(2, &UnfreezeScope::Layers);
        let schedules: [Box<dyn Schedule>; 1] = [Box::new(rule)];
        let moment = Moment { step: 0, total_steps: 1 };
        let model = apply_schedules(model.clone(), &schedules, moment);
        let config = model.encoder.config();
        let input = config.input(&[3, 4, 5], &[1; 3], &[0; 3], 3, &device).unwrap();
        let states = model.encoder.forward(&input, &ForwardOptions::training(1)).hidden_states;
        let tracked: Vec<bool> = states.iter().map(|state| state.is_tracked()).collect();
        let lowest = layers.first().copied().unwrap_or(2);
        assert_eq!(tracked, [0, 1, 2].map(|state| state > lowest), "{layers:?}");
    }
}

/// Trains a language adapter for each language, and returns the path pattern of their folders.
pub(super) fn language_adapters(shop: &Workshop) -> String {
    let english: String =
        (0..20).map(|_| "please turn on the lamp in the room\nit is off\n").collect();
    std::fs::write(shop.path("text/en.txt"), english).unwrap();
    for language in ["en", "de", "xx"] {
        let text = format!(
            "seed = 7\n[model]\nsource = {:?}\n[task.language_modeling]\n[data]\nsources = [\"en\"]\n\
             [monolingual]\npath = {:?}\nlanguages = [{language:?}]\nbatch_size = 4\n\
             max_length = 12\nheld_out = 3\n\
             [adapter.seq_bn_inv]\nreduction_factor = 2\n[[objective]]\nmethod.mmlm = {{}}\n\
             [optimizer]\nlearning_rate = 3e-3\n[training]\nmax_steps = 30\nepochs = 30\nlog_every = 1\n",
            shop.path("model"),
            shop.path("text/{language}.txt"),
        );
        let plan = Plan::from_toml(&text, "lm.toml".as_ref()).unwrap();
        let run = shop.run(&format!("lm/{language}"));
        let results = shop.finish(&plan, &run);
        let trace = Trace::read(&run);
        let score = |step: u64, field: &str| {
            let mut dev = trace.metrics.iter().filter(|line| line["kind"] == "dev");
            dev.find(|line| line["step"] == step).unwrap()[field].as_f64().unwrap()
        };
        assert!(score(30, "loss") < score(0, "loss"), "{language}");
        assert_eq!(results.languages[language].scores.main(), score(30, "accuracy"));
        let parts = shop.run(&format!("lm/{language} in parts"));
        shop.stop_after(7, &plan, &parts);
        shop.finish(&plan, &parts);
        assert_eq!(Trace::read(&parts), trace, "{language}");
    }
    shop.path("lm/{language}/best/adapters/{language}").display().to_string()
}

/// Fails unless the best model of a run predicts the texts of each language as the run did.
#[track_caller]
fn assert_scored_as_in_run(shop: &Workshop, name: &str) {
    let (run, device) = (shop.run(name), Device::flex());
    let path = run.path().join("results.json");
    let results: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for language in LANGUAGES {
        let tag: Language = language.parse().unwrap();
        let predictor = Predictor::load(run.best(), &device).unwrap();
        let path = shop.path(&format!("data/{language}.jsonl"));
        let mut options = ReadOptions::new(Format::Jsonl);
        options.split = Some("test".to_owned());
        let examples = predictor.task().read(&path, &options).unwrap();
        let set = predictor.labeled_set(&path, &examples, tag.clone(), Unseen::Error).unwrap();
        let exchanged = predictor.exchanged_for(&tag).unwrap();
        let labels = predictor.labels().unwrap();
        let evaluator = Evaluator {
            model: exchanged.as_ref().unwrap_or(&predictor.loaded().model),
            task: predictor.task(),
            labels: &labels,
            batch_size: 5,
            device: &device,
            subnetwork: None,
            centring: None,
        };
        let scored = serde_json::to_value(evaluator.score(&set).unwrap().0).unwrap();
        assert_eq!(scored, results["languages"][language], "{name}, {language}");

        // Predictions text by text, as the run wrote them.
        let predictor = predictor.for_language(&run.best(), &tag).unwrap();
        let texts: Vec<_> = examples
            .iter()
            .map(|example| match &example.content {
                Content::Text { text, .. } => (text.as_str(), None),
                other => panic!("running text: {other:?}"),
            })
            .collect();
        let predictions = Trace::read(&run).predictions[&format!("{language}.jsonl")].clone();
        let names = predictor.predict(&texts).unwrap().into_iter().map(|found| match found {
            Prediction::Class { label, .. } => json!([label]).to_string(),
            other => panic!("a class was asked for: {other:?}"),
        });
        assert_eq!(names.collect::<Vec<_>>(), predictions.lines().collect::<Vec<_>>());
    }
}

#[test]
fn language_adapters_lie_under_the_task_and_give_way() {
    let shop = Workshop::new().with_pairs();
    let path = language_adapters(&shop);
    let tables = |evaluation: &str, more: &str| {
        format!(
            "[language_adapter]\npath = {path:?}\nevaluation = {evaluation:?}\n{more}\n{SEQ_BN}\
             [schedule.gradual_unfreeze]\nevery_steps = 3\n"
        )
    };
    let trace = |name: &str, tables: &str| {
        let plan = shop.plan(TRAINING, tables);
        let run = shop.run(name);
        shop.finish(&plan, &run);
        let parts = shop.run(&format!("{name} in parts"));
        shop.stop_after(4, &plan, &parts);
        shop.finish(&plan, &parts);
        assert_eq!(Trace::read(&parts), Trace::read(&run), "{name}");
        Trace::read(&run)
    };
    let [target, source, none] =
        ["target", "source", "none"].map(|how| trace(how, &tables(how, "")));
    for name in ["target", "source", "none"] {
        assert_scored_as_in_run(&shop, name);
    }
    for other in [&source, &none] {
        assert_eq!(target.losses(), other.losses());
        assert_eq!(target.predictions["en.jsonl"], other.predictions["en.jsonl"]);
        assert_ne!(target.results, other.results);
    }
    // A run does not go on with another adapter of a language that it scores.
    let (plan, run) = (shop.plan(TRAINING, &tables("target", "")), shop.run("other adapter"));
    shop.stop_after(4, &plan, &run);
    let of_german = shop.path("lm/de/best/adapters/de/adapter.safetensors");
    let bytes = std::fs::read(&of_german).unwrap();
    std::fs::copy(shop.path("lm/xx/best/adapters/xx/adapter.safetensors"), &of_german).unwrap();
    let told = shop.try_finish(&plan, &run).unwrap_err().to_string();
    assert!(told.contains(&format!("{} has changed", of_german.display())), "{told}");
    std::fs::write(&of_german, bytes).unwrap();
    shop.finish(&plan, &run);
    let left_out = trace("left out", &tables("target", "leave_out = [1]"));
    assert_ne!(left_out.losses(), target.losses());
    // The language adapter is unchanged.
    let adapter = |folder: &Path| std::fs::read(folder.join("adapter.safetensors")).unwrap();
    let best = shop.run("target").best();
    assert_eq!(adapter(&best.join("adapters/en")), adapter(&shop.path("lm/en/best/adapters/en")),);
    assert!(best.join("adapters/task/adapter_config.json").exists());

    // The finished run is trained further: its task adapter alone, if the recipe says how language
    // adapters are exchanged, which the message shows.
    let further = |of: &str, tables: &str| {
        let of_base = format!("source = {:?}\n", shop.path("model"));
        let source = format!("source = {:?}\n", shop.run(of).best());
        plan_of(&shop.recipe(TRAINING, tables).replace(&of_base, &source))
    };
    let refused = shop.try_finish(&further("target", ""), &shop.run("untold"));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("above the language adapter of en"), "{message}");
    let (_, table) = message.split_once("\n\n").unwrap();
    shop.assert_resumes("further", &further("target", table), &[3]);
    let more = shop.run("further whole").best();
    assert_eq!(adapter(&more.join("adapters/en")), adapter(&best.join("adapters/en")));
    assert_ne!(adapter(&more.join("adapters/task")), adapter(&best.join("adapters/task")));
    let saved = |name: &str| parameters(&shop.run(name).best());
    let (before, after) = (saved("target"), saved("further whole"));
    assert!(before.keys().eq(after.keys()));
    for (path, values) in &before {
        let is_trained = path.contains(".task.");
        assert!(path.starts_with("head.") || (values != &after[path]) == is_trained, "{path}");
    }
    assert_scored_as_in_run(&shop, "further whole");
    // It needs the first run no more, also where it is moved alone.
    let moved = tempfile::tempdir().unwrap();
    copy_folder(&more, &moved.path().join("best"));
    let first = shop.path("target").with_extension("away");
    std::fs::rename(shop.run("target").path(), &first).unwrap();
    assert_eq!(parameters(&moved.path().join("best")), after);
    std::fs::rename(&first, shop.run("target").path()).unwrap();
    // All languages were scored with the adapter of the source: nothing is exchanged.
    shop.finish(&further("source", ""), &shop.run("source further"));
    let (before, after) = (saved("source"), saved("source further"));
    assert!(before.keys().eq(after.keys()) && before != after);
    assert_scored_as_in_run(&shop, "source further");

    // An evaluated language without a language adapter is an error.
    std::fs::remove_dir_all(shop.path("lm/xx")).unwrap();
    let outcome = std::panic::catch_unwind(|| {
        shop.finish(&shop.plan(TRAINING, &tables("target", "")), &shop.run("missing"))
    });
    let message = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("no language adapter for xx"), "{message}");
    assert!(message.contains("lm/xx/best/adapters/xx"), "{message}");
}

#[test]
fn adapters_of_peft_are_merged_into_a_whole_model() {
    let (shop, device) = (Workshop::new(), Device::flex());
    let probabilities = |folder: &Path| {
        let texts = [("licht an bitte", None), ("включи свет", None)];
        let found = Predictor::load(folder, &device).unwrap().predict(&texts).unwrap();
        let probability = |prediction: Prediction| match prediction {
            Prediction::Class { probability, .. } => probability,
            other => panic!("a class was asked for: {other:?}"),
        };
        found.into_iter().map(probability).collect::<Vec<f64>>()
    };
    for (kind, tables) in [("lora", LORA), ("ia3", IA3)] {
        let (run, merged) = (shop.run(kind), shop.path(&format!("merged {kind}")));
        shop.finish(&shop.plan(TRAINING, tables), &run);
        merge(run.best(), &merged, &device).unwrap();
        assert!(merged.join("model.safetensors").exists());
        assert!(!merged.join("isogloss.json").exists());
        for (whole, added) in probabilities(&merged).iter().zip(probabilities(&run.best())) {
            assert!((whole - added).abs() < 1e-6, "{kind}: {whole}, {added}");
        }
    }
    let run = shop.run("seq_bn");
    shop.finish(&shop.plan(TRAINING, SEQ_BN), &run);
    let cases = [(run.best(), "bottleneck"), (shop.path("merged lora"), "no adapter to merge")];
    for (folder, part) in cases {
        let error = merge(&folder, &shop.path("again"), &device).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// peft#184, #1127, trl#2418: training that begins with an adapter goes on with that adapter.
#[test]
fn the_adapter_of_a_model_folder_is_trained_further() {
    let shop = Workshop::new();
    let further = |source: &Path, head: &str| {
        let recipe = shop.recipe(TRAINING, "");
        let of_base = format!("source = {:?}\n", shop.path("model"));
        assert!(recipe.contains(&of_base));
        plan_of(&recipe.replace(&of_base, &format!("source = {source:?}\n{head}\n")))
    };
    // A folder of peft: rank and projections are those of its adapter_config.json.
    let folder = shop.path("peft");
    copy_folder(&fixtures().join("adapters/lora-head"), &folder);
    let path = folder.join("adapter_config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["base_model_name_or_path"] = json!("../model");
    std::fs::write(&path, config.to_string()).unwrap();
    let mut sources = vec![("peft", folder.clone(), "head = \"new\"", "default")];
    for (name, tables) in [("seq_bn", SEQ_BN), ("lora", LORA), ("ia3", IA3)] {
        let run = shop.run(name);
        shop.finish(&shop.plan(TRAINING, tables), &run);
        sources.push((name, run.best(), "", "task"));
    }
    let of_base = parameters(&shop.path("model"));
    for (name, source, head, adapter) in sources {
        let of_source = parameters(&source);
        let run_name = format!("{name} further");
        shop.assert_resumes(&run_name, &further(&source, head), &[3]);
        let best = shop.run(&format!("{run_name} whole")).best();
        let model = shop.path("model").canonicalize().unwrap();
        assert_eq!(base_folder(&best).unwrap().canonicalize().unwrap(), model, "{name}");
        let mut n_adapted = 0;
        for (path, values) in parameters(&best) {
            if path.starts_with("head.") {
                continue;
            }
            if let Some(frozen) = of_base.get(&path) {
                assert_eq!(&values, frozen, "{name}: {path}");
                continue;
            }
            n_adapted += 1;
            assert!(path.contains(adapter), "{name}: {path}");
            let before = &of_source[&path];
            assert_eq!(values.len(), before.len(), "{name}: {path}");
            assert_ne!(&values, before, "{name}: {path}");
        }
        let n_before = of_source.keys().filter(|path| path.starts_with("encoder.")).count();
        let n_of_base = of_base.keys().filter(|path| path.starts_with("encoder.")).count();
        assert_eq!(n_adapted, n_before - n_of_base, "{name}");
    }
    let saved = shop.run("peft further whole").best().join("peft/default/adapter_config.json");
    let saved: Value = serde_json::from_slice(&std::fs::read(saved).unwrap()).unwrap();
    let sizes = [&saved["r"], &saved["lora_alpha"]].map(Value::as_f64);
    assert_eq!(sizes, [Some(4.0), Some(8.0)]);
    assert_eq!(saved["base_model_name_or_path"], json!("../model"));

    // Two adapters: the message shows the table of a new one, which trains.
    let above = shop.path("above");
    copy_folder(&folder, &above);
    config["base_model_name_or_path"] = json!("../seq_bn/best");
    std::fs::write(above.join("adapter_config.json"), config.to_string()).unwrap();
    let refused = shop.try_finish(&further(&above, "head = \"new\""), &shop.run("two"));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("has the adapters \"default\" and \"task\""), "{message}");
    assert!(message.contains("\"../seq_bn/best\" as model.source"), "{message}");
    let (_, table) = message.split_once("\n\n").unwrap();
    shop.finish(&shop.plan(TRAINING, table), &shop.run("by the table"));
    let of_table = parameters(&shop.run("by the table").best());
    let config = load(shop.run("seq_bn").best(), &HeadChoice::Saved, &Device::flex()).unwrap();
    let (_, of_seq_bn) = config.model.encoder.adapters(AdapterLibrary::Adapters).next().unwrap();
    assert_eq!(of_seq_bn, &BottleneckConfig::seq_bn(2.0).into());
    assert!(of_table.keys().any(|path| path.contains("layers.0.adapters.task.")));
}

/// Further training of an adapter whose folder replaces modules of its base would lose them.
#[test]
fn modules_beside_an_adapter_are_not_lost_by_further_training() {
    let shop = Workshop::new();
    let folder = shop.path("peft");
    copy_folder(&fixtures().join("adapters/lora-head"), &folder);
    let edit = |name: &str, edit: &dyn Fn(&mut Value)| {
        let path = folder.join(name);
        let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        edit(&mut json);
        std::fs::write(&path, json.to_string()).unwrap();
    };
    edit("adapter_config.json", &|json| {
        json["base_model_name_or_path"] = json!("../model");
        json["modules_to_save"] = json!(["classifier", "LayerNorm"]);
    });
    let add_module = |folder: &Path| {
        let path = folder.join("adapter_model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let name = "base_model.model.bert.encoder.layer.0.output.LayerNorm.weight".to_owned();
        let values: Vec<u8> = (0..32).flat_map(|n| (n as f32).to_le_bytes()).collect();
        let mut tensors: Vec<(String, TensorView<'_>)> = stored.tensors();
        tensors.push((name, TensorView::new(Dtype::F32, vec![32], &values).unwrap()));
        std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    };
    add_module(&folder);

    let recipe = |folder: &Path| {
        shop.recipe(TRAINING, "").replace(
            &format!("source = {:?}\n", shop.path("model")),
            &format!("source = {folder:?}\nhead = \"new\"\n"),
        )
    };
    let refused = |folder: &Path, size: &str| {
        let refused = shop.try_finish(&plan_of(&recipe(folder)), &shop.run("run"));
        let message = refused.unwrap_err().to_string();
        let table = format!("[adapter.lora]\nr = {size}\n");
        for part in ["modules_to_save: encoder.layers.0.", "isogloss merge", &table] {
            assert!(message.contains(part), "{message}");
        }
        message
    };
    let message = refused(&folder, "4");
    let (_, table) = message.split_once("\n\n").unwrap();
    shop.finish(&plan_of(&format!("{}{table}", recipe(&folder))), &shop.run("above"));

    // The same in an adapter-only checkpoint.
    shop.finish(&shop.plan(TRAINING, LORA), &shop.run("lora"));
    let best = shop.run("lora").best();
    add_module(&best.join("peft/task"));
    refused(&best, "2");
    // A checkpoint does not replace the adapter of its base by its own.
    let on_itself = ModelFolder { path: best.clone(), base: Some(best.clone()) };
    let error = load(on_itself, &HeadChoice::Saved, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("has an adapter \"task\" too"), "{error}");
}

/// Another base model under the same recipe is another run; the same one may lie elsewhere.
#[test]
fn a_run_does_not_go_on_with_another_base() {
    let shop = Workshop::new();
    let folder = shop.path("peft");
    copy_folder(&fixtures().join("adapters/lora-head"), &folder);
    ["same", "other"].iter().for_each(|name| copy_folder(&shop.path("model"), &shop.path(name)));
    let weights = shop.path("other").join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let recipe = shop.recipe("max_steps = 1", "").replace(
        &format!("source = {:?}\n", shop.path("model")),
        &format!("source = {folder:?}\nhead = \"new\"\n"),
    );
    let (plan, run) = (plan_of(&recipe), shop.run("run"));
    let finish = |base: &str| {
        let model = ModelFolder { path: folder.clone(), base: Some(shop.path(base)) };
        let options = RunOptions::new(model, open(DeviceChoice::Flex).unwrap());
        finetune(&plan, &run, &options, &mut |_| {})
    };
    finish("model").unwrap();
    finish("same").unwrap();
    let error = finish("other").unwrap_err().to_string();
    let told = "model.safetensors of the base model has changed since this run began";
    assert!(error.contains(told) && error.contains("--fresh"), "{error}");
    // The record of an earlier version has no base.
    let record = run.path().join("data.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    json.as_object_mut().unwrap().retain(|file, _| !file.ends_with("of the base model"));
    std::fs::write(&record, json.to_string()).unwrap();
    finish("other").unwrap();
}

#[test]
fn texts_of_each_source_go_through_the_language_adapter_of_their_own() {
    let shop = Workshop::new().without_dropout().with_pairs();
    let path = language_adapters(&shop);
    // A batch is all texts of a language, and the rate is too small to change a loss.
    let recipe = |sources: &str, path: &str| {
        let tables = format!("[language_adapter]\npath = {path:?}\n{SEQ_BN}");
        let training = "epochs = 4\nbatch_size = 24\nlog_every = 1";
        let recipe = shop.recipe(training, &tables).replace("[\"en\"]", sources);
        plan_of(&recipe.replace("learning_rate = 3e-3", "learning_rate = 1e-12"))
    };
    let losses = |name: &str, plan: &Plan| {
        shop.finish(plan, &shop.run(name));
        Trace::read(&shop.run(name)).losses()
    };
    let alone = |source: &str| losses(source, &recipe(&format!("[{source:?}]"), &path))[0];
    let (en, de) = (alone("en"), alone("de"));
    let is_near = |a: f64, b: f64| (a - b).abs() < 1e-5;
    let both = losses("both", &recipe("[\"en\", \"de\"]", &path));
    assert!(both.iter().all(|loss| is_near(*loss, en) || is_near(*loss, de)), "{both:?} {en} {de}");
    for of_source in [en, de] {
        assert!(both.iter().any(|loss| is_near(*loss, of_source)), "{both:?} {of_source}");
    }
    // Through the adapter of the other language, the loss would be another.
    let wrong = shop.path("wrong/de");
    copy_folder(&shop.path("lm/en/best/adapters/en"), &wrong);
    for language in ["en", "xx"] {
        copy_folder(&wrong, &shop.path(&format!("wrong/{language}")));
    }
    let path = shop.path("wrong/{language}").display().to_string();
    let wrong = losses("wrong", &recipe("[\"de\"]", &path))[0];
    assert!(!is_near(wrong, de) && !is_near(en, de), "{wrong} {en} {de}");
}

#[test]
fn a_task_adapter_is_trained_above_the_language_adapters_of_several_sources() {
    let shop = Workshop::new().with_pairs();
    let path = language_adapters(&shop);
    let tables = |more: &str| format!("[language_adapter]\npath = {path:?}\n{SEQ_BN}{more}");
    let plan = |tables: &str, training: &str| {
        plan_of(&shop.recipe(training, tables).replace("[\"en\"]", "[\"en\", \"de\"]"))
    };
    shop.assert_resumes("plain", &plan(&tables(""), TRAINING), &[1, 4]);
    let run = shop.run("plain whole");
    assert_scored_as_in_run(&shop, "plain whole");
    // The model is saved with the adapter of the first source; others are found where they were.
    let adapter = |folder: &Path| std::fs::read(folder.join("adapter.safetensors")).unwrap();
    let best = run.best();
    assert_eq!(adapter(&best.join("adapters/en")), adapter(&shop.path("lm/en/best/adapters/en")));
    assert!(!best.join("adapters/de").exists() && best.join("adapters/task").exists());
    // The moving average of a mean teacher, gradients by language and Fisher traces go through
    // those adapters too.
    let more = "[schedule.fun]\nevery_steps = 2\nn_batches = 1\n[update.pcgrad]\n\
                [measure]\nevery = 4\n[[objective]]\nmethod.cross_entropy = {}\n\
                [[objective]]\nmethod.mean_teacher = { momentum = 0.6 }\n";
    let training = "epochs = 2\nbatch_size = 4\naccumulate = 2\nlog_every = 1";
    let trace = shop.assert_resumes("methods", &plan(&tables(more), training), &[2, 5]);
    let conflict = trace.metrics.iter().find(|line| line["kind"] == "conflict").unwrap();
    assert_eq!(conflict["languages"], json!(["en", "de"]));
    // Trained further, above the same adapters.
    let of_base = format!("source = {:?}\n", shop.path("model"));
    let further = shop.recipe(TRAINING, &format!("[language_adapter]\npath = {path:?}\n"));
    let further = further.replace(&of_base, &format!("source = {best:?}\n"));
    let further = plan_of(&further.replace("[\"en\"]", "[\"en\", \"de\"]"));
    shop.assert_resumes("further", &further, &[3]);
    assert_scored_as_in_run(&shop, "further whole");
    // A stopped run reads the adapters of the other sources again: it does not go on with others.
    let stopped = shop.run("stopped");
    shop.stop_after(2, &plan(&tables(""), TRAINING), &stopped);
    let folder = shop.path("lm/de/best/adapters/de");
    let weights = std::fs::read(folder.join("adapter.safetensors")).unwrap();
    std::fs::copy(
        shop.path("lm/en/best/adapters/en/adapter.safetensors"),
        folder.join("adapter.safetensors"),
    )
    .unwrap();
    let refused = shop.try_finish(&plan(&tables(""), TRAINING), &stopped).unwrap_err().to_string();
    assert!(refused.contains("adapter.safetensors has changed"), "{refused}");
    std::fs::write(folder.join("adapter.safetensors"), weights).unwrap();
    shop.finish(&plan(&tables(""), TRAINING), &stopped);
    // A source without an adapter is named before training.
    std::fs::remove_dir_all(shop.path("lm/de")).unwrap();
    let refused = shop.try_finish(&plan(&tables(""), TRAINING), &shop.run("missing"));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("no language adapter for de"), "{message}");
}
