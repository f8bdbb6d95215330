//! Models without the parts that a subnetwork leaves out: they are the masked models, can be used as any
//! other, and say what cannot be done with them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss::text::Texts;
use isogloss::{
    Classification, Error, Evaluator, Plan, Predictor, PruneOptions, PruneReport,
    SubnetworkSearchOptions, TrimOptions, importance, prune, read_subnetwork_for, trim,
    write_subnetwork,
};
use isogloss_methods::{Gradients, Importance, Subnetwork};
use isogloss_model::{
    Encoder, EncoderConfig, ForwardOptions, HeadChoice, LoadedModel, LoraConfig, Model, ModelInput,
    NamedParam, RandomParams, TargetModule, WeightFiles, load, load_bytes, load_masked_lm,
    load_peft, named_parameters, read_config, save, save_peft,
};
use isogloss_tests::runs::{Trace, Workshop};
use isogloss_tests::{assert_close, devices, difference, fixtures, values};
use serde_json::{Value, json};
use tempfile::TempDir;

const FAMILIES: [&str; 3] = ["bert", "xlm-roberta", "distilbert"];

const HEAD_WIDTH: usize = 8;

/// A subnetwork of a tiny model, as marks.
fn subnetwork(heads: [&str; 2], feed_forward: &str) -> Subnetwork {
    let json = json!({ "heads": heads, "feed_forward": feed_forward });
    serde_json::from_value(json).unwrap()
}

/// What is pruned in each way that a layer can be.
fn subnetworks() -> [(&'static str, Subnetwork); 4] {
    [
        ("heads", subnetwork(["#.##", ".##."], "##")),
        ("heads and feed-forward", subnetwork(["...#", "####"], "#.")),
        ("a layer without heads", subnetwork(["##.#", "...."], "##")),
        ("a layer without anything", subnetwork(["....", "#..#"], ".#")),
    ]
}

struct CutOut {
    folder: TempDir,
    report: PruneReport,
}

impl CutOut {
    fn new(whole: &Path, subnetwork: &Subnetwork) -> Self {
        Self::try_new(whole, subnetwork).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_new(whole: &Path, subnetwork: &Subnetwork) -> Result<Self, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("part.toml");
        write_subnetwork(&file, subnetwork).unwrap();
        let options = PruneOptions { n_checked: 4 };
        let report = prune(whole, &file, None, options, &folder.path().join("model"))?;
        Ok(Self { folder, report })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    fn load(&self, device: &Device) -> LoadedModel {
        load(&self.path(), &HeadChoice::Saved, device).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn whole(family: &str, device: &Device) -> LoadedModel {
    load(&fixtures().join(family), &HeadChoice::Saved, device).unwrap()
}

fn input(config: &EncoderConfig, device: &Device) -> ModelInput {
    let ids = [5, 6, 7, 8, 9, 10, 3, 50, 11, 70, 2, 1];
    let mask = [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0];
    config.input(&ids, &mask, &[0; 12], 6, device).unwrap()
}

/// Hidden states of every layer, and logits.
fn outputs(model: &Model, pass: &ForwardOptions, device: &Device) -> Vec<Vec<f32>> {
    let output = model.forward(&input(model.encoder.config(), device), pass);
    let states = output.hidden_states.into_iter().map(values);
    states.chain([values(output.logits)]).collect()
}

fn masked(subnetwork: &Subnetwork, device: &Device) -> ForwardOptions {
    ForwardOptions { subnetwork: Some(subnetwork.mask(device)), ..ForwardOptions::evaluation() }
}

/// The numbers of a parameter that stand for kept units.
fn kept(path: &str, values: &[f32], subnetwork: &Subnetwork) -> Vec<f32> {
    let Some((layer, part)) = path.strip_prefix("encoder.layers.").and_then(|p| p.split_once('.'))
    else {
        return values.to_vec();
    };
    let heads = &subnetwork.heads()[layer.parse::<usize>().unwrap()];
    let (width, is_column) = match part {
        "attention.output.weight" => (HEAD_WIDTH, true),
        "attention.output.bias" => return values.to_vec(),
        _ if !part.starts_with("attention.") => return values.to_vec(),
        _ => (HEAD_WIDTH, false),
    };
    let n_units = heads.len() * width;
    let of_unit = if is_column { 1 } else { values.len() / n_units };
    let units = values.chunks(of_unit).enumerate();
    let kept = units.filter(|(unit, _)| heads[unit % n_units / width]);
    kept.flat_map(|(_, values)| values).copied().collect()
}

#[test]
fn outputs_are_those_of_the_masked_model() {
    for family in FAMILIES {
        for (name, subnetwork) in subnetworks() {
            let cut = CutOut::new(&fixtures().join(family), &subnetwork);
            assert!(cut.report.states.largest_difference <= 5e-6, "{:?}", cut.report);
            for (device_name, device) in devices() {
                let (whole, pruned) = (whole(family, &device), cut.load(&device));
                assert_eq!((pruned.report.fresh.len(), pruned.report.unused.len()), (0, 0));
                let expected = outputs(&whole.model, &masked(&subnetwork, &device), &device);
                let found = outputs(&pruned.model, &ForwardOptions::evaluation(), &device);
                for (layer, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let (absolute, relative) = difference(found, expected);
                    assert!(
                        relative <= 1e-6,
                        "{family}, {name}, {device_name}, layer {layer}: {absolute:e}, {relative:e}"
                    );
                }
                let unmasked = outputs(&whole.model, &ForwardOptions::evaluation(), &device);
                assert!(difference(&found[2], &unmasked[2]).0 > 1e-2, "{family}, {name}");
            }
        }
    }
}

#[test]
fn gradients_are_those_of_the_masked_model() {
    for family in FAMILIES {
        for (name, subnetwork) in subnetworks() {
            let cut = CutOut::new(&fixtures().join(family), &subnetwork);
            for (device_name, device) in devices() {
                let device = device.autodiff();
                let (whole, pruned) = (whole(family, &device).model, cut.load(&device).model);
                let gradients = |model: &Model, pass: &ForwardOptions| {
                    let output = model.forward(&input(model.encoder.config(), &device), pass);
                    Gradients::of(&output.logits.square().sum(), model)
                };
                let expected = gradients(&whole, &masked(&subnetwork, &device));
                let found = gradients(&pruned, &ForwardOptions::evaluation());
                for NamedParam { path, .. } in named_parameters(&pruned) {
                    let of = |gradients: &Gradients| values(gradients.get(&path).unwrap().clone());
                    let expected = kept(&path, &of(&expected), &subnetwork);
                    let found = of(&found);
                    // The key's bias shifts all scores of a query alike: its gradient is rounding.
                    if path.ends_with("key.bias") {
                        assert_eq!(found.len(), expected.len());
                        continue;
                    }
                    let what = format!("{family}, {name}, {device_name}, {path}");
                    assert_close(&what, &found, &expected, 1e-5);
                }
            }
        }
    }
}

/// Attention's probabilities are drawn by head, the rest is dropped at the same places.
#[test]
fn blocks_that_are_gone_leave_dropout_as_it_is() {
    let device = Device::flex();
    let subnetwork = subnetwork(["####", "...."], ".#");
    let cut = CutOut::new(&fixtures().join("bert"), &subnetwork);
    let pass = ForwardOptions::training(3);
    let masked = ForwardOptions { subnetwork: Some(subnetwork.mask(&device)), ..pass.clone() };
    let found = outputs(&cut.load(&device).model, &pass, &device);
    assert_eq!(found, outputs(&whole("bert", &device).model, &masked, &device));
    assert_ne!(found, outputs(&cut.load(&device).model, &ForwardOptions::evaluation(), &device));
}

#[test]
fn folders_hold_the_parts_that_are_left() {
    let subnetwork = subnetwork(["#.##", "...."], ".#");
    for (family, layer, names) in [
        (
            "bert",
            "bert.encoder.layer",
            ["attention.self.query", "attention.output.dense", "output.dense"],
        ),
        (
            "xlm-roberta",
            "roberta.encoder.layer",
            ["attention.self.query", "attention.output.dense", "output.dense"],
        ),
        (
            "distilbert",
            "distilbert.transformer.layer",
            ["attention.q_lin", "attention.out_lin", "ffn.lin2"],
        ),
    ] {
        let cut = CutOut::new(&fixtures().join(family), &subnetwork);
        let config: Value =
            serde_json::from_slice(&fs::read(cut.path().join("config.json")).unwrap()).unwrap();
        assert_eq!(config["pruned_heads"], json!({ "0": [1], "1": [0, 1, 2, 3] }), "{family}");
        assert_eq!(config["pruned_feed_forward"], json!([0]), "{family}");
        let files = WeightFiles::open(&cut.path()).unwrap();
        let shape = |index: usize, name: &str, leaf: &str| {
            files.shape(&format!("{layer}.{index}.{name}.{leaf}"))
        };
        let [query, output, down] = names;
        assert_eq!(shape(0, query, "weight"), Some(vec![24, 32]), "{family}");
        assert_eq!(shape(0, query, "bias"), Some(vec![24]), "{family}");
        assert_eq!(shape(0, output, "weight"), Some(vec![32, 24]), "{family}");
        assert_eq!((shape(0, down, "weight"), shape(0, down, "bias")), (None, None), "{family}");
        assert_eq!((shape(1, query, "weight"), shape(1, query, "bias")), (None, None), "{family}");
        assert_eq!((shape(1, output, "weight"), shape(1, output, "bias")), (None, Some(vec![32])));
        assert_eq!(shape(1, down, "weight"), Some(vec![32, 64]), "{family}");
        let loaded = cut.load(&Device::flex());
        let n: usize =
            named_parameters(&loaded.model).iter().map(|p| p.shape.iter().product::<usize>()).sum();
        let gone = 3 * (8 * 32 + 8) + 8 * 32 + 3 * (32 * 32 + 32) + 32 * 32 + 2 * 32 * 64 + 96;
        assert_eq!(cut.report.n_parameters[0] - cut.report.n_parameters[1], gone, "{family}");
        assert_eq!(cut.report.n_parameters[1], n, "{family}");
        assert_eq!((cut.report.n_heads, cut.report.n_feed_forward), ([8, 3], [2, 1]));
    }
}

/// The values of all parameters, by name.
fn parameters(model: &Model) -> Vec<(String, Vec<f32>)> {
    let params = named_parameters(model).into_iter();
    params.map(|param| (param.path.clone(), param.data().try_into_vec().unwrap())).collect()
}

#[test]
fn pruned_models_are_saved_and_loaded_to_the_same_bits() {
    let device = Device::flex();
    for family in FAMILIES {
        for (name, subnetwork) in subnetworks() {
            let cut = CutOut::new(&fixtures().join(family), &subnetwork);
            let loaded = cut.load(&device);
            let again = tempfile::tempdir().unwrap();
            // The sizes of the model count, whatever the file that it came from says.
            let whole = whole(family, &device).config_json;
            save(again.path(), &loaded.model, loaded.head.as_ref(), &whole).unwrap();
            let second = load(again.path(), &HeadChoice::Saved, &device).unwrap();
            assert_eq!(parameters(&loaded.model), parameters(&second.model), "{family}, {name}");
            assert_eq!(loaded.model.encoder.config(), second.model.encoder.config());

            let read = |name: &str| fs::read(cut.path().join(name)).unwrap();
            let of_bytes =
                load_bytes(&read("config.json"), read("model.safetensors"), &device).unwrap();
            assert_eq!(parameters(&loaded.model), parameters(&of_bytes.model), "{family}, {name}");
        }
    }
}

#[test]
fn language_model_heads_are_kept() {
    let device = Device::flex();
    for family in FAMILIES {
        let folder = fixtures().join(format!("{family}-lm"));
        let (config, _) = read_config(&folder).unwrap();
        let sizes = [config.num_hidden_layers, config.num_attention_heads];
        let subnetwork = Subnetwork::whole(sizes[0], sizes[1]).random(1);
        let few = Importance {
            heads: vec![vec![0.0; sizes[1]]; sizes[0]],
            feed_forward: vec![0.0; sizes[0]],
        };
        let subnetwork = subnetwork.without_heads(&few, 1).without_feed_forward(&few);
        let cut = CutOut::new(&folder, &subnetwork);
        let load = |folder: &Path| {
            load_masked_lm(folder, &HeadChoice::Without, &device)
                .unwrap_or_else(|error| panic!("{family}: {error}"))
        };
        let (whole, pruned) = (load(&folder).model, load(&cut.path()).model);
        assert_eq!(whole.lm_head_kind(), pruned.lm_head_kind(), "{family}");
        let of_head = |model: &Model| {
            let mut all = parameters(model);
            all.retain(|(path, _)| path.starts_with("lm_head."));
            all
        };
        assert_eq!(of_head(&whole), of_head(&pruned), "{family}");
    }
}

#[test]
fn pruned_models_train_as_masked_ones() {
    let shop = Workshop::new().without_dropout();
    let subnetwork = subnetwork(["#.##", "...."], "#.");
    let file = shop.path("en.toml");
    write_subnetwork(&file, &subnetwork).unwrap();
    let recipe = shop.recipe("epochs = 2\nbatch_size = 4\nlog_every = 1", "");
    let masked = recipe.clone()
        + &format!(
            "[subnetworks]\npath = {:?}\nunseen = \"union\"\n",
            shop.path("{language}.toml")
        );
    let plan = |recipe: &str| Plan::from_toml(recipe, "tiny.toml".as_ref()).unwrap();
    let (masked_run, pruned_run) = (shop.run("masked"), shop.run("pruned"));
    shop.finish(&plan(&masked), &masked_run);

    let mut texts = Texts::default();
    texts.add_file(&shop.path("data/en.jsonl")).unwrap();
    let cut = shop.path("cut");
    let report =
        prune(&shop.path("model"), &file, Some(&texts), PruneOptions::default(), &cut).unwrap();
    assert!(report.states.n_texts > 20 && report.states.largest_difference < 5e-6, "{report:?}");
    let pruned = recipe.replace(shop.path("model").to_str().unwrap(), cut.to_str().unwrap());
    shop.finish(&plan(&pruned), &pruned_run);
    let [masked, pruned] = [&masked_run, &pruned_run].map(|run| Trace::of(run).losses());
    assert_eq!(masked.len(), pruned.len());
    for (masked, pruned) in masked.iter().zip(&pruned) {
        // Weight decay acts on what is masked too, and changes nothing that is read.
        assert!((masked - pruned).abs() <= 1e-4 * masked.abs(), "{masked} {pruned}");
    }

    let device = Device::flex();
    let best = load(&pruned_run.best(), &HeadChoice::Saved, &device).unwrap();
    let gone = load(&cut, &HeadChoice::Without, &device).unwrap().model.encoder.config().clone();
    assert_eq!(best.model.encoder.config().pruned, gone.pruned);
    let predictor = Predictor::load(&pruned_run.best(), &device).unwrap();
    assert_eq!(predictor.predict(&[("a lamp", None)]).unwrap().len(), 1);

    // A vocabulary can be trimmed after heads are pruned.
    let trimmed = shop.path("trimmed");
    let report = trim(&cut, &[texts], None, TrimOptions::default(), &trimmed).unwrap();
    assert_eq!(report.states.largest_difference, 0.0);
    let trimmed = load(&trimmed, &HeadChoice::Without, &device).unwrap();
    assert_eq!(trimmed.model.encoder.config().pruned, gone.pruned);
}

#[test]
fn low_rank_changes_are_made_where_there_is_something_to_change() {
    let device = Device::flex();
    let cut = CutOut::new(&fixtures().join("bert"), &subnetwork(["#.##", "...."], "#."));
    let mut model = cut.load(&device).model;
    let config = LoraConfig { target_modules: TargetModule::ALL.to_vec(), ..LoraConfig::new(2) };
    model.encoder.add_adapter("x", &config, &mut RandomParams::new(1)).unwrap();
    let params = named_parameters(&model).into_iter();
    let mut sizes: Vec<_> = params.filter(|p| p.path.contains(".lora.")).collect();
    sizes.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sizes.iter().all(|param| param.path.starts_with("encoder.layers.0.")));
    assert_eq!((sizes.len(), sizes[0].shape.as_slice()), (12, &[2, 32][..]));
    let to_output = sizes.iter().find(|p| p.path.ends_with("attention.output.lora.x.a"));
    assert_eq!(to_output.unwrap().shape, [2, 24]);

    let folder = tempfile::tempdir().unwrap();
    save_peft(folder.path(), &model, "x", None, None).unwrap();
    let mut other = cut.load(&device).model;
    load_peft(folder.path(), &mut other, "x").unwrap();
    assert_eq!(parameters(&model), parameters(&other));
    let before = outputs(&model, &ForwardOptions::evaluation(), &device);
    model.encoder.merge_adapter("x").unwrap();
    assert_eq!(outputs(&model, &ForwardOptions::evaluation(), &device), before);

    let nothing = LoraConfig { layers_to_transform: Some(vec![1]), ..LoraConfig::new(2) };
    let error = other.encoder.add_adapter("y", &nothing, &mut RandomParams::new(1)).unwrap_err();
    assert_eq!(error.to_string(), "field \"target_modules\": all of these are pruned");
}

#[test]
fn where_tokens_look_is_told_of_the_heads_that_are_left() {
    let device = Device::flex();
    let cut = CutOut::new(&fixtures().join("bert"), &subnetwork(["#..#", "...."], "##"));
    let (whole, pruned) = (whole("bert", &device).model, cut.load(&device).model);
    let batch = input(whole.encoder.config(), &device);
    let states =
        whole.encoder.forward(&batch, &ForwardOptions::evaluation()).hidden_states.remove(0);
    let logs =
        |encoder: &Encoder, block| encoder.attention_log_probs(block, states.clone(), &batch);
    let expected = logs(&whole.encoder, 0).unwrap();
    let found = logs(&pruned.encoder, 0).unwrap();
    assert_eq!(found.dims(), [2, 2, 6, 6]);
    for (at, head) in [(0, 0), (1, 3)] {
        let found = values(found.clone().narrow(1, at, 1));
        assert_close(
            "log-probabilities",
            &found,
            &values(expected.clone().narrow(1, head, 1)),
            1e-6,
        );
    }
    assert!(logs(&pruned.encoder, 1).is_none());
}

#[test]
fn models_cannot_be_pruned_twice_nor_masked_again() {
    let device = Device::flex();
    let part = subnetwork(["#.##", "####"], "#.");
    let shop = Workshop::new();
    let file = shop.path("en.toml");
    write_subnetwork(&file, &part).unwrap();
    let cut = shop.path("cut");
    prune(&shop.path("model"), &file, None, PruneOptions::default(), &cut).unwrap();

    let again = prune(&cut, &file, None, PruneOptions::default(), &shop.path("again"));
    let error = again.unwrap_err().to_string();
    assert!(error.ends_with("cut/config.json: the model is pruned already: take the whole one"));
    assert!(!shop.path("again").exists());

    let loaded = load(&cut, &HeadChoice::Without, &device).unwrap();
    let error = read_subnetwork_for(loaded.model.encoder.config(), &file).unwrap_err().to_string();
    assert!(
        error.contains("en.toml: a subnetwork of a whole model; 1 heads and 1 feed"),
        "{error}"
    );

    let recipe = shop.recipe("epochs = 1\nbatch_size = 4", "");
    let recipe = recipe.replace(shop.path("model").to_str().unwrap(), cut.to_str().unwrap());
    let plan = |recipe: &str| Plan::from_toml(recipe, "tiny.toml".as_ref()).unwrap();
    let tables = format!("[subnetworks]\npath = {:?}\n", shop.path("{language}.toml"));
    let refused = shop.try_finish(&plan(&(recipe.clone() + &tables)), &shop.run("masked"));
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("{language}.toml: a subnetwork of a whole model"), "{error}");
    let student = recipe + "[student]\nlayers = [0]\n";
    let refused = Plan::from_toml(&student, "tiny.toml".as_ref())
        .map(|plan| shop.try_finish(&plan, &shop.run("student")).map(|_| ()));
    let error = match refused {
        Ok(refused) => refused.unwrap_err().to_string(),
        Err(error) => panic!("{error}"),
    };
    assert!(error.contains("student.layers: the teacher is pruned"), "{error}");
}

#[test]
fn subnetworks_of_other_architectures_are_refused() {
    let error = |subnetwork: &Subnetwork| {
        let cut = CutOut::try_new(&fixtures().join("bert"), subnetwork);
        cut.map(|_| ()).unwrap_err().to_string()
    };
    for (sizes, words) in [([3, 4], "3 layers of 4 heads"), ([2, 8], "2 layers of 8 heads")] {
        let error = error(&Subnetwork::whole(sizes[0], sizes[1]));
        let expected = format!("part.toml: a subnetwork of {words}; the model has 2 of 4");
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn configurations_that_do_not_fit_the_tensors_name_them() {
    let cut = CutOut::new(&fixtures().join("bert"), &subnetwork(["#.##", "...."], "#."));
    let path = cut.path().join("config.json");
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let error = |heads: Value, feed_forward: Value| {
        let mut config = written.clone();
        config["pruned_heads"] = heads;
        config["pruned_feed_forward"] = feed_forward;
        fs::write(&path, config.to_string()).unwrap();
        load(&cut.path(), &HeadChoice::Saved, &Device::flex()).unwrap_err().to_string()
    };
    let (heads, blocks) = (&written["pruned_heads"], &written["pruned_feed_forward"]);
    let all = json!([0, 1, 2, 3]);
    for (heads, blocks, expected) in [
        (
            &json!({ "0": [1, 2], "1": all }),
            blocks,
            "tensor \"bert.encoder.layer.0.attention.self.query.weight\": expected shape [16, 32], \
             found [24, 32]",
        ),
        (
            &json!({ "0": [1], "1": [0, 1, 2] }),
            blocks,
            "no tensor \"bert.encoder.layer.1.attention.self.query.weight\"",
        ),
        (&json!({ "1": all }), blocks, "expected shape [32, 32], found [24, 32]"),
        (
            &json!({ "0": all, "1": all }),
            blocks,
            "tensor \"bert.encoder.layer.0.attention.output.dense.weight\": config.json says that \
             this is pruned",
        ),
        (heads, &json!([]), "no tensor \"bert.encoder.layer.1.intermediate.dense.weight\""),
        (
            heads,
            &json!([0, 1]),
            "tensor \"bert.encoder.layer.0.output.dense.bias\": config.json says that this is pruned",
        ),
        (
            &json!({ "2": [0] }),
            blocks,
            "config.json: field \"pruned_heads\": layer 2 of a model of 2",
        ),
        (&json!({ "0": [4] }), blocks, "config.json: field \"pruned_heads\": head 4 of 4"),
        (heads, &json!([2]), "field \"pruned_feed_forward\": layer 2 of a model of 2"),
    ] {
        let error = error(heads.clone(), blocks.clone());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn importances_of_pruned_models_are_refused() {
    let shop = Workshop::new();
    let plan = shop.plan("epochs = 1\nbatch_size = 4", "");
    let run = shop.run("whole");
    shop.finish(&plan, &run);
    let file = shop.path("en.toml");
    write_subnetwork(&file, &subnetwork(["#.##", "####"], "##")).unwrap();
    let cut = shop.path("cut");
    prune(&run.best(), &file, None, PruneOptions::default(), &cut).unwrap();
    let device = Device::flex();
    let predictor = Predictor::load(&cut, &device).unwrap();
    let labels = predictor.labels().unwrap();
    let set = isogloss::LabeledSet::read(
        &shop.path("data/en.jsonl"),
        &isogloss::text::ReadOptions::new(isogloss::text::Format::Jsonl).with_split("dev"),
        &Classification {},
        "en".parse().unwrap(),
        predictor.tokenizer(),
        &labels,
        &isogloss::text::FeatureOptions::new(32),
    )
    .unwrap();
    let model = &predictor.loaded().model;
    let options = SubnetworkSearchOptions::default();
    let found: Result<Importance, Error> =
        importance(model, &set, &Subnetwork::whole(2, 4), options, &device);
    assert!(found.unwrap_err().to_string().contains("the model is pruned already"));
    let evaluator = Evaluator {
        model,
        task: &Classification {},
        labels: &labels,
        batch_size: 8,
        device: &device,
        subnetwork: None,
    };
    let pruned = isogloss::find_subnetwork(&evaluator, &set, &set, options);
    assert!(pruned.unwrap_err().to_string().contains("the model is pruned already"));
    assert!(evaluator.score(&set).is_ok());
}
