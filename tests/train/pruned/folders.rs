//! Folders of pruned models: their tensors, saving and loading, task heads and LoRA.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss_methods::{Importance, Subnetwork};
use isogloss_model::{
    ForwardOptions, HeadChoice, LoraConfig, Model, RandomParams, TargetModule, WeightFiles, load,
    load_bytes, load_masked_lm, load_peft, named_parameters, read_config, save, save_peft,
};
use isogloss_tests::{fixtures, saved_model};
use serde_json::{Value, json};

use super::{FAMILIES, PrunedFolder, outputs, parameters, subnetwork, subnetworks};

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
        (
            "electra",
            "electra.encoder.layer",
            ["attention.self.query", "attention.output.dense", "output.dense"],
        ),
    ] {
        let cut = PrunedFolder::new(&fixtures().join(family), &subnetwork);
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

#[test]
fn pruned_models_are_saved_and_loaded_to_the_same_bits() {
    let device = Device::flex();
    for family in FAMILIES {
        for (name, subnetwork) in subnetworks() {
            let cut = PrunedFolder::new(&fixtures().join(family), &subnetwork);
            let loaded = cut.load(&device);
            let again = tempfile::tempdir().unwrap();
            // The sizes of the model are saved, whatever the given configuration has.
            let whole = saved_model(family, &device).config_json;
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
        let cut = PrunedFolder::new(&folder, &subnetwork);
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
fn low_rank_changes_are_made_where_there_is_something_to_change() {
    let device = Device::flex();
    let cut = PrunedFolder::new(&fixtures().join("bert"), &subnetwork(["#.##", "...."], "#."));
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
