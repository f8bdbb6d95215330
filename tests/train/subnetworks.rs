//! Subnetworks of a model: search by pruning, and the effect of masks on values and gradients.

use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss::text::{FeatureOptions, Format, LabelSet, ReadOptions};
use isogloss::{
    Classification, Evaluator, LabeledSet, Plan, Predictor, SubnetworkSearchOptions,
    find_subnetwork, importance, read_subnetwork, write_scored_subnetwork, write_subnetwork,
};
use isogloss_methods::{Gradients, Importance, ScoredSubnetwork, Subnetwork};
use isogloss_model::{ForwardOptions, Model, ParamMapper, map_parameters};
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use isogloss_tests::{devices, opened_devices, values};

/// Parameter mapper that zeroes all heads but one in the output projections.
struct ZeroOtherHeads {
    layer: usize,
    head: usize,
}

const HEAD_WIDTH: usize = 8;

impl ParamMapper for ZeroOtherHeads {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(layer) = path.strip_suffix(".attention.output.weight") else { return param };
        let is_layer = layer.ends_with(&format!("layers.{}", self.layer));
        param.map(|weight| {
            let (shape, device) = (weight.dims(), weight.device());
            let mut values: Vec<f32> = weight.into_data().try_into_vec().unwrap();
            for row in values.chunks_mut(shape[1]) {
                for (column, x) in row.iter_mut().enumerate() {
                    if !is_layer || column / HEAD_WIDTH != self.head {
                        *x = 0.0;
                    }
                }
            }
            Tensor::from_data(TensorData::new(values, shape), &device)
        })
    }
}

struct Finished {
    shop: Workshop,
    predictor: Predictor,
    labels: LabelSet,
}

fn finished(device: &Device) -> Finished {
    let shop = Workshop::new();
    let recipe = shop.recipe("epochs = 8\nbatch_size = 4", "");
    let run = shop.run("finished");
    shop.finish(&plan_of(&recipe), &run);
    let predictor = Predictor::load(run.best(), device).unwrap();
    let labels = predictor.labels().unwrap();
    Finished { shop, predictor, labels }
}

impl Finished {
    fn set(&self, split: &str) -> LabeledSet {
        let path = self.shop.path("data/en.jsonl");
        let options = ReadOptions::new(Format::Jsonl).with_split(split);
        let (task, features) = (Classification {}, FeatureOptions::new(32));
        let (tokenizer, language) = (self.predictor.tokenizer(), "en".parse().unwrap());
        LabeledSet::read(&path, &options, &task, language, tokenizer, &self.labels, &features)
            .unwrap()
    }
}

#[test]
fn planted_heads_survive_pruning() {
    let device = Device::flex();
    let finished = finished(&device);
    let (train, dev) = (finished.set("train"), finished.set("dev"));
    for (layer, head) in [(0, 2), (1, 1)] {
        let model = finished.predictor.loaded().model.clone();
        let model = map_parameters(model, &mut ZeroOtherHeads { layer, head });
        let evaluator = Evaluator {
            model: &model,
            task: &Classification {},
            labels: &finished.labels,
            batch_size: 8,
            device: &device,
            subnetwork: None,
            centring: None,
        };
        let options = SubnetworkSearchOptions {
            threshold: 0.99,
            share: 0.13,
            ..SubnetworkSearchOptions::default()
        };
        let found = importance(&model, &train, &Subnetwork::whole(2, 4), options, &device).unwrap();
        let Importance { heads, feed_forward } = found;
        for (at, row) in heads.iter().enumerate() {
            for (other, x) in row.iter().enumerate() {
                assert_eq!(*x > 0.0, (at, other) == (layer, head), "{heads:?}");
            }
        }
        assert!(feed_forward.iter().all(|x| *x > 0.0), "{feed_forward:?}");
        let pruned = find_subnetwork(&evaluator, &train, &dev, options).unwrap();
        // All seven others can be pruned without a change, one in each round; the last may not
        // matter on few texts.
        assert!(pruned.subnetwork.n_heads() <= 1, "{pruned:?}");
        let scores: Vec<f64> = pruned.rounds.iter().map(|(_, _, score)| *score).collect();
        assert!(scores[..8].iter().all(|score| *score == scores[0]), "{pruned:?}");
        if pruned.subnetwork.n_heads() == 1 {
            assert!(pruned.subnetwork.heads()[layer][head], "{pruned:?}");
        }
    }
}

/// Logits and gradients of a batch, through a subnetwork.
fn step(model: &Model, device: &Device, subnetwork: Option<&Subnetwork>) -> (Vec<f32>, Gradients) {
    let device = device.clone().autodiff();
    let ids = [5, 6, 7, 8, 9, 10];
    let input =
        model.encoder.config().input(&ids, &[1, 1, 1, 1, 1, 0], &[0; 6], 3, &device).unwrap();
    let pass = ForwardOptions {
        subnetwork: subnetwork.map(|of| of.mask(&device)),
        ..ForwardOptions::evaluation()
    };
    let logits = model.forward(&input, &pass).logits;
    let loss = logits.clone().square().sum();
    (values(logits), Gradients::from_loss(&loss, model))
}

#[test]
fn heads_that_are_masked_take_no_part_and_learn_nothing() {
    let whole = Subnetwork::whole(2, 4);
    // The last head of the first layer and the feed-forward block of the second are pruned.
    let few = Importance {
        heads: vec![vec![1.0, 1.0, 1.0, 0.0], vec![1.0; 4]],
        feed_forward: vec![1.0, 0.0],
    };
    let part = whole.clone().without_heads(&few, 1).without_feed_forward(&few);
    for (name, device) in devices() {
        let model = finished(&device).predictor.into_trainable();
        let plain = step(&model, &device, None);
        let masked = step(&model, &device, Some(&part));
        let unmasked = step(&model, &device, Some(&whole));
        assert_eq!(unmasked.0, plain.0, "{name}");
        assert_ne!(masked.0, plain.0, "{name}");
        let rows_of = |gradients: &Gradients, path: &str| -> Vec<f32> {
            values(gradients.get(path).unwrap().clone())
        };
        for projection in ["query", "key", "value"] {
            let path = format!("encoder.layers.0.attention.{projection}.weight");
            let width = 32 * HEAD_WIDTH;
            let (of_masked, of_plain) = (rows_of(&masked.1, &path), rows_of(&plain.1, &path));
            for head in 0..4 {
                let is_zero = |all: &[f32]| all[head * width..][..width].iter().all(|x| *x == 0.0);
                assert_eq!(is_zero(&of_masked), head == 3, "{name}, {projection} of head {head}");
                assert!(!is_zero(&of_plain), "{name}, {projection} of head {head}");
            }
        }
        let path = "encoder.layers.1.feed_forward.up.weight";
        assert!(rows_of(&masked.1, path).iter().all(|x| *x == 0.0), "{name}");
        assert!(rows_of(&plain.1, path).iter().any(|x| *x != 0.0), "{name}");
    }
}

/// Writes a subnetwork for each of two languages, and returns the recipe tables that use them.
fn with_subnetworks(shop: &Workshop, more: &str) -> String {
    let folder = shop.path("subnetworks");
    std::fs::create_dir_all(&folder).unwrap();
    let few = Importance {
        heads: vec![vec![3.0, 2.0, 1.0, 0.0], vec![0.0, 1.0, 2.0, 3.0]],
        feed_forward: vec![1.0, 0.0],
    };
    let whole = Subnetwork::whole(2, 4);
    let english = whole.clone().without_heads(&few, 3);
    let german = whole.random(5).without_heads(&few, 2).without_feed_forward(&few);
    write_subnetwork(&folder.join("en.toml"), &english).unwrap();
    write_subnetwork(&folder.join("de.toml"), &german).unwrap();
    format!("[subnetworks]\npath = {:?}\n{more}\n", folder.join("{language}.toml"))
}

const MEAN_TEACHER: &str =
    "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.mean_teacher = {}\n";

fn two_languages(shop: &Workshop, tables: &str) -> Plan {
    let training = "epochs = 2\nbatch_size = 4\nlog_every = 1\ncheckpoint_every = 5";
    let recipe = shop.recipe(training, tables);
    let recipe = recipe.replace("sources = [\"en\"]", "sources = [\"en\", \"de\"]");
    Plan::from_toml(&recipe, "tiny.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn each_language_trains_and_is_scored_with_its_own_parts() {
    let shop = Workshop::new();
    let distances = shop.path("distances.tsv");
    std::fs::write(&distances, "en\txx\t0.5\nxx\tde\t0.25\n").unwrap();
    let nearest = format!("unseen.nearest = {{ distances = {distances:?} }}");
    let mut scores = Vec::new();
    for (name, more) in [
        ("whole", "unseen = \"whole\""),
        ("union", "unseen = \"union\""),
        ("nearest", nearest.as_str()),
        ("random", "random = 3"),
    ] {
        let plan = two_languages(&shop, &with_subnetworks(&shop, more));
        let (whole, parts) = (shop.run(name), shop.run(&format!("{name} in parts")));
        let results = shop.finish(&plan, &whole);
        shop.stop_after(7, &plan, &parts);
        shop.finish(&plan, &parts);
        assert_eq!(Trace::read(&parts), Trace::read(&whole), "{name}");
        scores.push((Trace::read(&whole).losses(), results.languages["xx"].scores.main()));
    }
    // The mean teacher uses the subnetwork of the batch's language, as the student does. Without
    // dropout, it equals the student in the first step.
    let quiet = Workshop::new().without_dropout();
    let tables = with_subnetworks(&quiet, "") + MEAN_TEACHER;
    let run = quiet.run("mean teacher");
    quiet.finish(&two_languages(&quiet, &tables), &run);
    let lines = Trace::read(&run).metrics.into_iter();
    let losses = lines.filter_map(|line| line["losses"]["mean_teacher"].as_f64());
    let losses: Vec<_> = losses.collect();
    assert!(losses[0] < 1e-9 && losses[11] > 1e-9, "{losses:?}");

    // The subnetworks of unseen languages do not change training; other subnetworks do.
    assert!(scores[0].0 == scores[1].0 && scores[0].0 == scores[2].0);
    assert_ne!(scores[0].0, scores[3].0);

    // The saved model with a language's subnetwork gives that language's scores.
    let german = read_subnetwork(&shop.path("subnetworks/de.toml"), [2, 4]).unwrap();
    assert_eq!(score(&shop, &shop.run("nearest").best(), "xx", &german), scores[2].1);
}

#[test]
fn dynamic_subnetworks_follow_what_matters() {
    let shop = Workshop::new();
    let tables = with_subnetworks(&shop, "dynamic = { decay = 0.5 }\nunseen = \"union\"");
    let plan = two_languages(&shop, &tables);
    let (whole, parts) = (shop.run("whole"), shop.run("parts"));
    let results = shop.finish(&plan, &whole);
    shop.stop_after(7, &plan, &parts);
    shop.finish(&plan, &parts);
    assert_eq!(Trace::read(&parts), Trace::read(&whole));

    // Importance scores of another encoder in a checkpoint are an error.
    let damaged = shop.run("damaged");
    shop.stop_after(7, &plan, &damaged);
    let path = damaged.path().join("checkpoints/step-00000007/state.json");
    let mut state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    state["methods"]["subnetworks"]["scores"][1]["heads"].as_array_mut().unwrap().pop();
    std::fs::write(&path, state.to_string()).unwrap();
    let error = shop.try_finish(&plan, &damaged).unwrap_err().to_string();
    assert!(error.contains("state.json: the scores of subnetworks are not those"), "{error}");

    // Each subnetwork keeps its number of units, but not all of the same units.
    let given = |language: &str| {
        read_subnetwork(&shop.path(&format!("subnetworks/{language}.toml")), [2, 4]).unwrap()
    };
    let of_model = |language: &str| {
        let path = whole.best().join(format!("subnetworks/{language}.toml"));
        read_subnetwork(&path, [2, 4]).unwrap()
    };
    for language in ["en", "de"] {
        let (before, after) = (given(language), of_model(language));
        assert_eq!(after.n_heads(), before.n_heads(), "{language}");
        assert_eq!(after.n_feed_forward(), before.n_feed_forward(), "{language}");
        assert_ne!(after, before, "{language}");
    }
    assert_eq!(of_model("xx"), of_model("en").union(&of_model("de")));
    // The saved subnetworks are those of the final evaluation.
    assert_eq!(
        score(&shop, &whole.best(), "en", &of_model("en")),
        results.languages["en"].scores.main()
    );
}

/// A layer's heads in importance order: those of even index, or of odd index, matter.
fn importance_of_parity(odd: usize) -> Importance {
    let head = |head: usize| if head % 2 == odd { 1.0 + head as f64 } else { 0.0 };
    Importance { heads: vec![(0..4).map(head).collect(); 2], feed_forward: vec![1.0, 0.5] }
}

#[test]
fn dynamic_subnetworks_start_from_the_importance_of_their_files() {
    let shop = Workshop::new();
    let tables = with_subnetworks(&shop, "dynamic = { decay = 0.999999, start = \"importance\" }");
    let plan = two_languages(&shop, &tables);
    let error = shop.try_finish(&plan, &shop.run("without")).unwrap_err().to_string();
    assert!(error.contains("en.toml: no importance of heads and feed-forward blocks"), "{error}");

    // Half of the heads are kept, and the importance says that they are the wrong half.
    for language in ["en", "de"] {
        let kept = importance_of_parity(0);
        let scored = ScoredSubnetwork {
            subnetwork: Subnetwork::whole(2, 4).without_heads(&kept, 4),
            importance: Some(importance_of_parity(1)),
        };
        let path = shop.path(&format!("subnetworks/{language}.toml"));
        write_scored_subnetwork(&path, &scored).unwrap();
        assert_eq!(read_subnetwork(&path, [2, 4]).unwrap(), scored.subnetwork);
    }
    shop.assert_resumes("resumed", &plan, &[1, 7]);
    let run = shop.run("resumed whole");
    let found = read_subnetwork(&run.best().join("subnetworks/de.toml"), [2, 4]).unwrap();
    // What batches find has a weight of a millionth.
    assert_eq!(found, Subnetwork::whole(2, 4).without_heads(&importance_of_parity(1), 4));
}

#[test]
fn subnetworks_of_several_seeds_are_combined() {
    let shop = Workshop::new();
    let tables = with_subnetworks(&shop, "");
    let path = format!("{:?}", shop.path("subnetworks/{language}-{seed}.toml"));
    let of_seeds = |fields: &str| format!("[subnetworks]\npath = {path}\n{fields}\n");
    for language in ["en", "de"] {
        let of = |seed: u64| {
            Subnetwork::whole(2, 4).without_heads(&importance_of_parity(0), 3).random(seed)
        };
        let all: Vec<_> = [11, 12, 13].map(of).to_vec();
        for (seed, of) in [1, 2, 3].into_iter().zip(&all) {
            let path = shop.path(&format!("subnetworks/{language}-{seed}.toml"));
            write_subnetwork(&path, of).unwrap();
        }
        // By hand: of three, a unit that two keep.
        let mut lines = String::from("heads = [");
        for layer in 0..2 {
            let line = (0..4).map(|head| {
                let n = all.iter().filter(|of| of.heads()[layer][head]).count();
                if n >= 2 { '#' } else { '.' }
            });
            lines += &format!("\"{}\",", line.collect::<String>());
        }
        let text = format!("{lines}]\nfeed_forward = \"##\"\n");
        std::fs::write(shop.path(&format!("subnetworks/{language}.toml")), text).unwrap();
    }
    let losses = |name: &str, tables: &str| {
        shop.finish(&two_languages(&shop, tables), &shop.run(name));
        Trace::read(&shop.run(name)).losses()
    };
    let majority = losses("majority", &of_seeds("seeds = [1, 2, 3]"));
    assert_eq!(majority, losses("by hand", &tables));
    let union = losses("union", &of_seeds("seeds = [1, 2, 3]\nover_seeds = \"union\""));
    assert_ne!(union, majority);
    for (fields, expected) in [
        ("seeds = [1, 1]", "subnetworks.seeds: expected each seed once, found 1 twice"),
        ("over_seeds = \"union\"", "subnetworks.over_seeds: name the seeds in subnetworks.seeds"),
        (
            "random = 1\ndynamic.start = \"importance\"",
            "subnetworks.dynamic.start: random subnetworks have no importance",
        ),
    ] {
        let recipe = shop.recipe("epochs = 1", &of_seeds(fields));
        let error = Plan::from_toml(&recipe, "tiny.toml".as_ref()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Score of a saved model through a subnetwork, on the test split of a language.
fn score(shop: &Workshop, folder: &Path, language: &str, subnetwork: &Subnetwork) -> f64 {
    let device = Device::flex();
    let predictor = Predictor::load(folder, &device).unwrap();
    let labels = predictor.labels().unwrap();
    let evaluator = Evaluator {
        model: &predictor.loaded().model,
        task: &Classification {},
        labels: &labels,
        batch_size: 8,
        device: &device,
        subnetwork: Some(subnetwork),
        centring: None,
    };
    let options = ReadOptions::new(Format::Jsonl).with_split("test");
    let set = LabeledSet::read(
        &shop.path(&format!("data/{language}.jsonl")),
        &options,
        evaluator.task,
        language.parse().unwrap(),
        predictor.tokenizer(),
        &labels,
        &FeatureOptions::new(128),
    );
    evaluator.score(&set.unwrap()).unwrap().0.scores.main()
}

#[test]
fn the_most_similar_language_lends_its_parts() {
    let shop = Workshop::new();
    for similar in ["en", "de"] {
        std::fs::copy(shop.path(&format!("data/{similar}.jsonl")), shop.path("data/xx.jsonl"))
            .unwrap();
        let plan = two_languages(&shop, &with_subnetworks(&shop, "unseen = \"similar\""));
        let run = shop.run(similar);
        let results = shop.finish(&plan, &run);
        let main = |language: &str| results.languages[language].scores.main();
        assert_eq!(main("xx"), main(similar));
        let of = |language: &str| {
            read_subnetwork(&run.best().join(format!("subnetworks/{language}.toml")), [2, 4])
                .unwrap()
        };
        assert_eq!(of("xx"), of(similar));
    }
}

#[test]
fn gradients_of_languages_are_compared() {
    let shop = Workshop::new();
    let measure = "[measure]\nevery = 12\nn_examples = 8\nradius = 0.0\n";
    let plan = two_languages(&shop, &format!("{}{measure}", with_subnetworks(&shop, "")));
    let run = shop.run("compared");
    shop.finish(&plan, &run);
    let metrics = Trace::read(&run).metrics;
    let lines: Vec<_> = metrics.iter().filter(|line| line["kind"] == "conflict").collect();
    let steps: Vec<_> = lines.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 12, 24]);
    for line in lines {
        assert_eq!(line["languages"], serde_json::json!(["en", "de"]));
        let cosine = |a: usize, b: usize| line["cosines"][a][b].as_f64().unwrap();
        assert!((cosine(0, 0) - 1.0).abs() < 1e-6 && (cosine(1, 1) - 1.0).abs() < 1e-6, "{line}");
        assert!((cosine(0, 1) - cosine(1, 0)).abs() < 1e-6, "{line}");
        assert!(cosine(0, 1).abs() < 0.999, "{line}");
    }
}

#[test]
fn subnetworks_train_on_every_device() {
    let shop = Workshop::new();
    for (name, more) in [("static", ""), ("dynamic", "dynamic = {}")] {
        let plan = two_languages(&shop, &with_subnetworks(&shop, more));
        for device in opened_devices() {
            shop.assert_trains_as_on_flex(&device, name, &plan);
        }
    }
}

#[test]
fn subnetworks_that_cannot_be_used_are_told() {
    let shop = Workshop::new();
    let tables = with_subnetworks(&shop, "");
    let refused = |tables: &str| {
        let plan = two_languages(&shop, tables);
        shop.try_finish(&plan, &shop.run("refused")).unwrap_err().to_string()
    };
    std::fs::remove_file(shop.path("subnetworks/de.toml")).unwrap();
    assert!(refused(&tables).contains("de.toml"));
    write_subnetwork(&shop.path("subnetworks/de.toml"), &Subnetwork::whole(3, 4)).unwrap();
    assert!(refused(&tables).contains("a subnetwork of 3 layers of 4 heads; the model has 2 of 4"));

    let distances = shop.path("distances.tsv");
    let nearest = format!("unseen.nearest = {{ distances = {distances:?} }}");
    let tables = with_subnetworks(&shop, &nearest);
    assert!(refused(&tables).contains("distances.tsv"));
    std::fs::write(&distances, "en\txx\t0.5\nen de 1\n").unwrap();
    assert!(refused(&tables).contains("distances.tsv: line 2: expected two language tags"));
    std::fs::write(&distances, "en\tde\t0.5\n").unwrap();
    let error = refused(&tables);
    assert!(error.contains("no distance of xx from any language of training"), "{error}");
    let dynamic = "[subnetworks]\npath = \"{language}.toml\"\ndynamic = { decay = 1.0 }\n";
    let error = Plan::from_toml(&shop.recipe("epochs = 1", dynamic), "tiny.toml".as_ref());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("subnetworks.dynamic.decay: expected a number from 0 and below 1"),
        "{error}"
    );
    let recipe = shop.recipe("epochs = 1", "[subnetworks]\npath = \"one.toml\"\n");
    let error = Plan::from_toml(&recipe, "tiny.toml".as_ref()).unwrap_err().to_string();
    assert!(error.contains("subnetworks.path: expected {language}"), "{error}");
}

#[test]
fn subnetworks_are_files_for_one_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("de.toml");
    let some = Subnetwork::whole(2, 4).random(3);
    write_subnetwork(&path, &some).unwrap();
    assert_eq!(read_subnetwork(&path, [2, 4]).unwrap(), some);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("feed_forward = \"##\""), "{text}");
    let error = |path: &Path| read_subnetwork(path, [12, 12]).unwrap_err().to_string();
    assert!(error(&path).ends_with("a subnetwork of 2 layers of 4 heads; the model has 12 of 12"));
    std::fs::write(&path, "heads = [\"##\"]\nfeed_forward = \"#x\"\n").unwrap();
    assert!(error(&path).contains("expected '#' or '.', found 'x'"), "{}", error(&path));
    assert!(error(&folder.path().join("fr.toml")).contains("fr.toml"));
}
