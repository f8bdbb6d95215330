//! Adapter folders of `peft` and `adapters` as the model.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss::{Prediction, Predictor, TextEncoder, merge};
use isogloss_model::{
    AdapterLibrary, HeadChoice, HeadSpec, Model, ModelFolder, SentencePooling, base_folder,
    is_adapter_folder, load, load_peft, missing_base_model, named_parameters,
    read_sentence_modules,
};
use isogloss_tests::{copy_folder, copy_model, fixtures, waves};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Tensors, assert_refused, edit_json, edit_weights, sentences};

const TEXTS: [(&str, Option<&str>); 2] = [("Licht aus", None), ("bitte Wohnzimmer", None)];

/// Temporary folder with the model `bert`, and an adapter whose configuration names it as its base.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new(adapter: &str) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        copy_model("bert", &this.base());
        copy_folder(&fixtures().join("adapters").join(adapter), &this.adapter());
        this.edit(|json| {
            let is_peft = json.get("peft_type").is_some();
            json[if is_peft { "base_model_name_or_path" } else { "model_name" }] = json!("../bert");
        });
        this
    }

    fn base(&self) -> PathBuf {
        self.folder.path().join("bert")
    }

    fn adapter(&self) -> PathBuf {
        self.folder.path().join("adapter")
    }

    fn edit(&self, edit: impl FnOnce(&mut Value)) {
        edit_json(&self.adapter().join("adapter_config.json"), edit);
    }

    fn edit_weights(&self, edit: impl FnOnce(&mut Tensors)) {
        edit_weights(&self.adapter().join("adapter_model.safetensors"), edit);
    }

    fn predict(&self) -> Vec<Prediction> {
        predict(&self.adapter())
    }
}

fn predict(folder: &Path) -> Vec<Prediction> {
    Predictor::load(folder, &Device::flex()).unwrap().predict(&TEXTS).unwrap()
}

fn probabilities(predictions: &[Prediction]) -> Vec<(&str, f64)> {
    let of_class = |prediction| match prediction {
        &Prediction::Class { ref label, probability } => (label.as_str(), probability),
        other => panic!("a class was asked for: {other:?}"),
    };
    predictions.iter().map(of_class).collect()
}

#[test]
fn a_folder_of_peft_is_a_model_on_its_base() {
    // transformers#36473, PR #36480: a pipeline took the base and dropped the adapter.
    for adapter in ["lora-head", "ia3-default"] {
        let shop = Shop::new(adapter);
        let device = Device::flex();
        let mut by_hand = load(shop.base(), &HeadChoice::Saved, &device).unwrap();
        let base = predict(&shop.base());
        load_peft(&shop.adapter(), &mut by_hand.model, "default").unwrap();
        let loaded = load(shop.adapter(), &HeadChoice::Saved, &device).unwrap();
        assert_eq!(loaded.head, by_hand.head);
        let values = |model| {
            let params = named_parameters(model);
            params
                .into_iter()
                .map(|p| (p.path.clone(), p.data().try_into_vec::<f32>().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(values(&loaded.model), values(&by_hand.model), "{adapter}");
        let found = shop.predict();
        assert_ne!(found, base);
        assert_eq!(
            base_folder(shop.adapter()).unwrap().canonicalize().unwrap(),
            shop.base().canonicalize().unwrap()
        );
        assert!(
            is_adapter_folder(shop.adapter()).unwrap() && !is_adapter_folder(shop.base()).unwrap()
        );
        TextEncoder::load(shop.adapter(), &device).unwrap();

        let out = shop.folder.path().join("merged");
        merge(shop.adapter(), &out, &device).unwrap();
        let merged = predict(&out);
        for (one, other) in probabilities(&found).into_iter().zip(probabilities(&merged)) {
            assert_eq!(one.0, other.0);
            assert!((one.1 - other.1).abs() < 1e-5, "{one:?}, {other:?}");
        }
    }
}

/// A folder of peft alone makes sentence embeddings by the modules of its base, as the base does.
#[test]
fn sentence_modules_are_those_of_the_base() {
    let shop = Shop::new("lora-head");
    let modules = [("Pooling", "1_Pooling", sentences::pooling(&["pooling_mode_cls_token"]))];
    sentences::add_modules(&shop.base(), "", &modules);
    let encoder = TextEncoder::load(shop.adapter(), &Device::flex()).unwrap();
    assert_eq!(encoder.pooling(), SentencePooling::Cls);
    // A merged folder has them as its own.
    let out = shop.folder.path().join("merged");
    merge(shop.adapter(), &out, &Device::flex()).unwrap();
    let modules = read_sentence_modules(&out).unwrap().unwrap();
    assert_eq!(modules.pooling, Some(SentencePooling::Cls));
}

#[test]
fn the_head_of_a_folder_of_peft_is_that_of_its_own_labels() {
    let shop = Shop::new("lora-head");
    let device = Device::flex();
    let load = |choice: &HeadChoice| load(shop.adapter(), choice, &device);
    let head = |model: &Model| -> Vec<Vec<f32>> {
        let params = named_parameters(model).into_iter();
        let params = params.filter(|param| param.path.starts_with("head.classifier."));
        params.map(|param| param.data().try_into_vec().unwrap()).collect()
    };
    let saved = load(&HeadChoice::Saved).unwrap();
    let spec = saved.head.clone().unwrap();
    let by_name = |spec: &HeadSpec| load(&HeadChoice::ByName { spec: spec.clone(), seed: 3 });
    assert_eq!(head(&by_name(&spec).unwrap().model), head(&saved.model));

    // The same number of labels, so that all shapes fit.
    let HeadSpec::Sequence { labels, pooling, .. } = &spec else { panic!("{spec:?}") };
    let names: Vec<String> = labels.iter().map(|label| format!("other-{label}")).collect();
    let other = HeadSpec::sequence(names, *pooling);
    let error = by_name(&other).unwrap_err().to_string();
    assert!(error.contains("adapter_config.json") && error.contains("merge"), "{error}");
    let new = load(&HeadChoice::New { spec: other, seed: 3 }).unwrap();
    let same = head(&new.model).into_iter().zip(head(&saved.model)).filter(|(a, b)| a == b);
    assert_eq!(same.count(), 0, "a new head took rows of other labels");
    assert!(!new.report.fresh.is_empty());
}

#[test]
fn a_base_that_is_not_found_is_asked_for() {
    // huggingface/sentence-transformers PR #3978: no config.json beside the adapter.
    let shop = Shop::new("lora-head");
    shop.edit(|json| json["base_model_name_or_path"] = json!("owner/bert"));
    let mut folder = ModelFolder::from(shop.adapter());
    assert_eq!(missing_base_model(&folder).unwrap().as_deref(), Some("owner/bert"));
    let parts =
        ["adapter_config.json: field \"base_model_name_or_path\"", "\"owner/bert\"", "--base"];
    assert_refused("elsewhere", Predictor::load(&folder, &Device::flex()), &parts);
    folder.base = Some(shop.base());
    assert_eq!(missing_base_model(&folder).unwrap(), None);
    Predictor::load(&folder, &Device::flex()).unwrap();

    shop.edit(|json| json["base_model_name_or_path"] = json!(null));
    assert_refused(
        "nameless",
        Predictor::load(shop.adapter(), &Device::flex()),
        &["names no base"],
    );
    shop.edit(|json| json["base_model_name_or_path"] = json!("."));
    let parts = ["a base stands on another"];
    assert_refused("its own", Predictor::load(shop.adapter(), &Device::flex()), &parts);
}

#[test]
fn labels_are_those_of_the_base_if_it_has_as_many() {
    let shop = Shop::new("lora-head");
    let labels = || {
        let predictor = Predictor::load(shop.adapter(), &Device::flex()).unwrap();
        predictor.head().labels().to_vec()
    };
    assert_eq!(labels(), ["greet", "ask", "order", "thank", "leave"]);
    edit_json(&shop.base().join("config.json"), |json| {
        json["architectures"] = json!(["BertForMaskedLM"]);
        json["id2label"] = json!({"0": "LABEL_0", "1": "LABEL_1"});
    });
    assert_eq!(labels(), ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"]);
}

#[test]
fn a_head_that_nobody_has_is_not_made_up() {
    // peft#577, huggingface/sentence-transformers#3980: predictions of a randomly initialized head.
    let shop = Shop::new("lora-head");
    edit_weights(&shop.base().join("model.safetensors"), |tensors| {
        tensors.retain(|(name, ..)| !name.contains("pooler"));
    });
    let result = Predictor::load(shop.adapter(), &Device::flex());
    assert_refused(
        "no pooler",
        result,
        &["no tensor \"base_model.model.bert.pooler.dense.weight\""],
    );
    let shop = Shop::new("lora-head");
    edit_json(&shop.base().join("config.json"), |json| {
        json["architectures"] = json!(["BertForQuestionAnswering"])
    });
    shop.edit_weights(|tensors| tensors.retain(|(name, ..)| !name.contains("classifier")));
    let result = Predictor::load(shop.adapter(), &Device::flex());
    assert_refused("no head", result, &["config.json: this model has no head"]);
}

#[test]
fn modules_to_save_take_the_place_of_the_models() {
    // peft#2898: embeddings and layer normalizations that were trained beside the adapter.
    for (tensor, shape) in [
        ("bert.embeddings.word_embeddings.weight", vec![120, 32]),
        ("bert.embeddings.LayerNorm.weight", vec![32]),
        ("bert.encoder.layer.1.output.LayerNorm.bias", vec![32]),
        ("bert.pooler.dense.weight", vec![32, 32]),
    ] {
        let shop = Shop::new("lora-head");
        let before = shop.predict();
        let values = waves(shape.iter().product(), 0.7);
        let entry = (format!("base_model.model.{tensor}"), shape, values.clone());
        shop.edit_weights(|tensors| tensors.push(entry));
        assert_ne!(shop.predict(), before, "{tensor}");
        let loaded = load(shop.adapter(), &HeadChoice::Saved, &Device::flex()).unwrap();
        let params = named_parameters(&loaded.model);
        let name = |path: &str| loaded.model.parameter_name(loaded.head.as_ref(), path);
        let param = params.iter().find(|param| name(&param.path) == tensor).unwrap();
        assert_eq!(param.data().try_into_vec::<f32>().unwrap(), values);
    }
}

#[test]
fn what_an_adapter_has_beyond_that_is_refused_by_name() {
    let cases: [(&str, Vec<usize>, &str); 3] = [
        // peft#1932: an embedding matrix that was resized for the tokens of a chat template.
        ("bert.embeddings.word_embeddings.weight", vec![122, 32], "expected shape [120, 32]"),
        // diffusers#7592: DoRA magnitudes that were ignored.
        (
            "bert.encoder.layer.0.attention.self.query.lora_magnitude_vector",
            vec![32],
            "the model has no place for it",
        ),
        ("bert.embeddings.more.weight", vec![32], "the model has no place for it"),
    ];
    for (tensor, shape, problem) in cases {
        let shop = Shop::new("lora-head");
        let values = waves(shape.iter().product(), 0.7);
        shop.edit_weights(|tensors| {
            tensors.push((format!("base_model.model.{tensor}"), shape, values));
        });
        let result = Predictor::load(shop.adapter(), &Device::flex());
        let name = format!("tensor \"base_model.model.{tensor}\"");
        assert_refused(tensor, result, &["adapter_model.safetensors", &name, problem]);
    }
    for (field, value) in [
        // NVIDIA-NeMo/Megatron-Bridge PR #6031: `use_dora` with plain LoRA tensors.
        ("use_dora", json!(true)),
        ("bias", json!("lora_only")),
        ("task_type", json!("CAUSAL_LM")),
        ("trainable_token_indices", json!([3])),
    ] {
        let shop = Shop::new("lora-head");
        shop.edit(|json| json[field] = value);
        let result = Predictor::load(shop.adapter(), &Device::flex());
        assert_refused(field, result, &["adapter_config.json: field", field]);
    }
}

#[test]
fn a_folder_of_adapters_is_a_model_on_its_base() {
    let shop = Shop::new("seq_bn-task");
    let loaded = load(shop.adapter(), &HeadChoice::Saved, &Device::flex()).unwrap();
    assert_eq!(loaded.model.encoder.active_adapters(), ["task"]);
    assert_eq!(loaded.model.encoder.adapters(AdapterLibrary::Adapters).count(), 1);
    assert_ne!(shop.predict(), predict(&shop.base()));
    shop.edit(|json| json["model_name"] = json!("owner/bert"));
    let result = TextEncoder::load(shop.adapter(), &Device::flex());
    assert_refused("elsewhere", result, &["field \"model_name\"", "\"owner/bert\"", "--base"]);
}

/// A head or a fusion that the library saved in a folder of its own is named as what it is.
#[test]
fn a_part_of_a_model_is_no_model() {
    for name in ["head_config.json", "adapter_fusion_config.json"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), r#"{"name": "task", "model_type": "bert"}"#).unwrap();
        let result = Predictor::load(folder.path(), &Device::flex());
        assert_refused(name, result, &[&format!("{name}: a part of a model"), "adapters library"]);
    }
}

/// peft saves adapters that are not called `default` in folders of their names.
#[test]
fn named_adapters_below_a_folder_are_named() {
    let shop = Shop::new("lora-head");
    let folder = tempfile::tempdir().unwrap();
    for name in ["second", "first"] {
        copy_folder(&shop.adapter(), &folder.path().join(name));
    }
    fs::create_dir(folder.path().join("logs")).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let list = format!("no model; name one of its adapters: {}, {}", path("first"), path("second"));
    let result = Predictor::load(folder.path(), &Device::flex());
    assert_refused("named adapters", result, &[&list]);
}

/// An adapter that stands in the base under its name would replace it.
#[test]
fn adapters_do_not_replace_those_of_their_base() {
    for case in ["lora-head", "seq_bn-task"] {
        let shop = Shop::new(case);
        let path = shop.folder.path().join("above");
        copy_folder(&shop.adapter(), &path);
        let name = if case == "lora-head" { "default" } else { "task" };
        let above = |base: PathBuf| ModelFolder { path: path.clone(), base: Some(base) };
        let load = |base| load(above(base), &HeadChoice::Without, &Device::flex());
        let base = shop.adapter().display().to_string();
        let told = format!("the base model {base} has an adapter \"{name}\" too");
        assert_refused(case, load(shop.adapter()), &[&told, "`isogloss merge`"]);
        load(shop.base()).unwrap();
        if case == "lora-head" {
            let merged = shop.folder.path().join("merged");
            merge(shop.adapter(), &merged, &Device::flex()).unwrap();
            load(merged).unwrap();
        }
    }
}
