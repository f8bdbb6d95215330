//! Adapters against the `adapters` library and low-rank changes against `peft`: the folders that the
//! libraries wrote load here and give their logits, hidden states and gradients, and what is written
//! here is what they wrote. `tests/fixtures/make/adapter_folders.py` made folders and values.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_methods::{
    AdamW, AdamWConfig, CrossEntropyConfig, Gradients, ObjectiveConfig, StepInput,
};
use isogloss_model::{
    AdapterChoice, AdapterConfig, HeadChoice, LoadedModel, LoraConfig, LoraTarget, ModelInput,
    ModelOutput, ParamMapper, ParamPart, ParamPlace, Pass, RandomParams, load, load_adapter,
    load_lora, map_parameters, named_parameters, parameter_name, presets, save_adapter, save_lora,
};
use isogloss_tests::{Fixture, assert_close, devices, difference, fixtures, tensor, values};
use serde_json::Value;

/// Case, family, adapters, stacks; as in the maker.
type Case =
    (&'static str, &'static str, &'static [&'static str], &'static [&'static [&'static str]]);

const CASES: [Case; 7] = [
    ("seq_bn", "bert", &["task"], &[&["task"]]),
    ("double_seq_bn", "distilbert", &["task"], &[&["task"]]),
    ("par_bn", "bert", &["task"], &[&["task"]]),
    (
        "mad_x",
        "xlm-roberta",
        &["en", "de", "ner"],
        &[&["en", "ner"], &["de", "ner"], &["ner"], &["en"]],
    ),
    ("gelu", "bert", &["en"], &[&["en"]]),
    ("first", "bert", &["en"], &[&["en"]]),
    ("post_add", "distilbert", &["a", "b"], &[&["a", "b"], &["a"], &["b"]]),
];
const LORA_CASES: [(&str, &str); 3] =
    [("lora-head", "bert"), ("lora-all", "xlm-roberta"), ("lora-down", "distilbert")];

/// Relative, of what is computed on a CPU, and on a GPU, whose functions are coarser.
fn tolerance(device: &str) -> f32 {
    if device == "vulkan" { 1e-4 } else { 1e-5 }
}

fn folder(case: &str) -> PathBuf {
    fixtures().join("adapters").join(case)
}

fn open(family: &str, device: &Device) -> LoadedModel {
    load(&fixtures().join(family), &HeadChoice::Saved, device).unwrap()
}

/// A model with all adapters of a case, none of them active.
fn open_case((case, family, names, _): &Case, device: &Device) -> LoadedModel {
    let mut loaded = open(family, device);
    for name in *names {
        let choice = AdapterChoice::default();
        let found = load_adapter(&folder(&format!("{case}-{name}")), &mut loaded.model, &choice);
        assert_eq!(found.unwrap().name, *name);
    }
    loaded
}

fn input(family: &str, loaded: &LoadedModel, device: &Device) -> ModelInput {
    let fixture = Fixture::open(family);
    let ints = |name: &str| if fixture.has(name) { fixture.ints(name) } else { vec![0; 48] };
    let mask: Vec<u8> = ints("attention_mask").iter().map(|real| *real as u8).collect();
    let config = loaded.model.encoder.config();
    config.input(&ints("input_ids"), &mask, &ints("token_type_ids"), 12, device).unwrap()
}

fn forward(family: &str, loaded: &LoadedModel, device: &Device) -> ModelOutput {
    loaded.model.forward(&input(family, loaded, device), &Pass::evaluation())
}

fn loss(family: &str, output: ModelOutput, device: &Device) -> Tensor<1> {
    let labels = Fixture::open(family).ints("labels");
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [4]), device);
    let objective = ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default()).init();
    objective.loss(&StepInput::original(output, Some(labels))).unwrap()
}

/// Compares everything that the fixture has under `prefix`.
fn compare(
    what: &str,
    prefix: &str,
    family: &str,
    loaded: &LoadedModel,
    device: &Device,
    tol: f32,
) {
    let fixture = Fixture::open("adapters");
    let output = forward(family, loaded, device);
    let expected = fixture.floats(&format!("{prefix}.logits"));
    assert_close(&format!("{what}, logits"), &values(output.logits.clone()), &expected, tol);
    let hidden = format!("{prefix}.hidden");
    if !fixture.has(&hidden) {
        return;
    }
    let mask = Fixture::open(family).ints("attention_mask");
    let last = values(output.hidden_states.last().unwrap().clone());
    let real = |hidden: &[f32]| -> Vec<f32> {
        let rows = hidden.chunks(32).zip(&mask).take(24).filter(|(_, real)| **real == 1);
        rows.flat_map(|(row, _)| row.to_vec()).collect()
    };
    let expected = real(&fixture.floats(&hidden));
    assert_close(&format!("{what}, hidden states"), &real(&last), &expected, tol);

    let loss = loss(family, output, device);
    let expected = fixture.floats(&format!("{prefix}.loss"));
    assert_close(&format!("{what}, loss"), &values(loss.clone()), &expected, tol);
    let gradients = Gradients::of(&loss, &loaded.model);
    let start = format!("{prefix}.grad.");
    let mut n_compared = 0;
    for param in named_parameters(&loaded.model) {
        let config = loaded.model.encoder.config();
        let name = parameter_name(config, loaded.head.as_ref(), &param.path);
        let keys = [format!("{start}{name}"), format!("{start}base_model.model.{name}")];
        if let Some(key) = keys.iter().find(|key| fixture.has(key)) {
            let found = gradients.get(&param.path).unwrap_or_else(|| panic!("{what}: no {name}"));
            assert_close(key, &values(found.clone()), &fixture.floats(key), tol);
            n_compared += 1;
        }
    }
    let n_expected = fixture.names().iter().filter(|name| name.starts_with(&start)).count();
    assert_eq!(n_compared, n_expected, "{what}, number of gradients");
}

#[test]
fn adapters_of_the_library_give_its_outputs_and_gradients() {
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for case in &CASES {
            let mut loaded = open_case(case, &device);
            for stack in case.3 {
                loaded.model.encoder.set_active_adapters(stack).unwrap();
                // The first versions wrote the same adapter in other words.
                let expected = if case.0 == "first" { "gelu" } else { case.0 };
                let prefix = format!("{expected}.{}", stack.join("+"));
                let what = format!("{} {} on {device_name}", case.0, stack.join("+"));
                compare(&what, &prefix, case.1, &loaded, &device, tolerance(device_name));
            }
        }
    }
}

#[test]
fn lora_of_peft_gives_its_outputs_and_gradients() {
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for (case, family) in LORA_CASES {
            let mut loaded = open(family, &device);
            let found = load_lora(&folder(case), &mut loaded.model, "task").unwrap();
            let n_head = if case == "lora-head" { 2 } else { 0 };
            assert_eq!((found.head.len(), found.unused), (n_head, Vec::new()));
            let what = format!("{case} on {device_name}");
            compare(&what, case, family, &loaded, &device, tolerance(device_name));
        }
    }
}

#[test]
fn merged_lora_gives_the_same_outputs() {
    for (_, device) in devices() {
        for (case, family) in LORA_CASES {
            let mut loaded = open(family, &device);
            load_lora(&folder(case), &mut loaded.model, "task").unwrap();
            let before = values(forward(family, &loaded, &device).logits);
            loaded.model.encoder.merge_lora("task").unwrap();
            assert!(loaded.model.encoder.loras().is_empty());
            let after = values(forward(family, &loaded, &device).logits);
            assert_close(case, &after, &before, 1e-6);
        }
    }
}

#[test]
fn what_is_not_active_changes_no_bit() {
    let device = Device::flex();
    for family in ["bert", "xlm-roberta", "distilbert"] {
        let mut loaded = open(family, &device);
        let before = values(forward(family, &loaded, &device).logits);
        let mut random = RandomParams::new(3);
        let encoder = &mut loaded.model.encoder;
        encoder.add_adapter("a", &AdapterConfig::seq_bn_inv(2.0), &mut random).unwrap();
        encoder.add_lora("b", &LoraConfig::new(4), &mut random).unwrap();
        encoder.remove_lora("b").unwrap();
        assert_eq!(values(forward(family, &loaded, &device).logits), before);
        loaded.model.encoder.set_active_adapters(&["a"]).unwrap();
        assert_ne!(values(forward(family, &loaded, &device).logits), before);
        loaded.model.encoder.remove_adapter("a").unwrap();
        assert_eq!(values(forward(family, &loaded, &device).logits), before);
    }
}

#[test]
fn a_new_lora_starts_from_the_model_as_it_is() {
    let device = Device::flex();
    let mut loaded = open("bert", &device);
    let before = values(forward("bert", &loaded, &device).logits);
    let config = LoraConfig { target_modules: LoraTarget::ALL.to_vec(), ..LoraConfig::new(4) };
    loaded.model.encoder.add_lora("task", &config, &mut RandomParams::new(1)).unwrap();
    assert_eq!(values(forward("bert", &loaded, &device).logits), before);
}

#[test]
fn language_adapters_are_exchanged_by_name() {
    let device = Device::flex();
    let fixture = Fixture::open("adapters");
    let mut loaded = open_case(&CASES[3], &device);
    loaded.model.encoder.set_active_adapters(&["en", "ner"]).unwrap();
    for (from, to, expected) in [
        ("en", Some("de"), "mad_x.de+ner.logits"),
        ("de", Some("en"), "mad_x.en+ner.logits"),
        ("en", None, "mad_x.ner.logits"),
    ] {
        loaded.model.encoder.exchange_adapter(from, to).unwrap();
        let logits = values(forward("xlm-roberta", &loaded, &device).logits);
        assert_close(expected, &logits, &fixture.floats(expected), 1e-5);
    }
    let fault = loaded.model.encoder.exchange_adapter("en", Some("de")).unwrap_err();
    assert_eq!(fault.to_string(), "no adapter \"en\"");
    let fault = loaded.model.encoder.set_active_adapters(&["nerr"]).unwrap_err();
    assert_eq!(fault.to_string(), "no adapter \"nerr\", the nearest is \"ner\"");
}

#[test]
fn layers_can_be_left_out_when_an_adapter_is_loaded() {
    let device = Device::flex();
    let mut loaded = open("xlm-roberta", &device);
    let choice = AdapterChoice { name: Some("english".into()), leave_out: vec![1] };
    let adapter = load_adapter(&folder("mad_x-en"), &mut loaded.model, &choice).unwrap();
    assert_eq!((adapter.name.as_str(), adapter.config.leave_out), ("english", vec![1]));
    let layers = named_parameters(&loaded.model).into_iter().filter_map(|param| {
        let place = ParamPlace::of(&param.path)?;
        (place.part == ParamPart::Adapter("english")).then_some(place.layer)
    });
    assert!(layers.eq([Some(0); 4]));
}

#[test]
fn the_inverse_undoes_the_invertible_adapter() {
    for (device_name, device) in devices() {
        let fixture = Fixture::open("adapters");
        let mut loaded = open_case(&CASES[3], &device);
        let hidden = fixture.floats("mad_x.en+ner.hidden");
        let undo = |loaded: &LoadedModel| {
            let hidden = tensor(hidden.clone(), [2, 12, 32], &device);
            values(loaded.model.encoder.undo_invertible_adapter(hidden))
        };
        assert_eq!(undo(&loaded), hidden, "no adapter is active");
        loaded.model.encoder.set_active_adapters(&["en", "ner"]).unwrap();
        let expected = fixture.floats("mad_x.inverse");
        assert_close("inverse", &undo(&loaded), &expected, tolerance(device_name));

        // The output of the embeddings is that of the invertible adapter.
        let adapted = forward("xlm-roberta", &loaded, &device).hidden_states[0].clone();
        let undone = values(loaded.model.encoder.undo_invertible_adapter(adapted));
        loaded.model.encoder.set_active_adapters(&[]).unwrap();
        let plain = values(forward("xlm-roberta", &loaded, &device).hidden_states[0].clone());
        assert_close("there and back", &undone, &plain, 1e-6);
    }
}

/// Lets only what was put into the encoder, and the head, change.
struct AddedOnly;

impl ParamMapper for AddedOnly {
    fn map<const D: usize>(
        &mut self,
        path: &str,
        param: burn::module::Param<Tensor<D>>,
    ) -> burn::module::Param<Tensor<D>> {
        let place = ParamPlace::of(path).unwrap();
        param.set_require_grad(place.is_added() || place.part == ParamPart::Head)
    }
}

#[test]
fn a_frozen_base_stays_bit_equal_while_adapters_learn() {
    for (_, device) in devices() {
        let device = device.autodiff();
        let mut loaded = open_case(&CASES[0], &device);
        loaded.model.encoder.set_active_adapters(&["task"]).unwrap();
        let mut random = RandomParams::new(5);
        loaded.model.encoder.add_lora("task", &LoraConfig::new(2), &mut random).unwrap();
        let before: Vec<_> = named_parameters(&loaded.model)
            .into_iter()
            .map(|p| (p.path.clone(), p.data()))
            .collect();
        let mut model = map_parameters(loaded.model.clone(), &mut AddedOnly);
        let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() });
        let mut losses = Vec::new();
        for step in 0..10 {
            loaded.model = model;
            let input = input("bert", &loaded, &device);
            let output = loaded.model.forward(&input, &Pass::training(step));
            let loss = loss("bert", output, &device);
            losses.push(loss.clone().into_scalar::<f32>());
            let gradients = Gradients::of(&loss, &loaded.model);
            (model, _) = optimizer.step(loaded.model, gradients, 1e-2);
        }
        assert!(losses[9] < losses[0], "{losses:?}");
        for ((path, old), param) in before.iter().zip(named_parameters(&model)) {
            let place = ParamPlace::of(path).unwrap();
            let learns = place.is_added() || place.part == ParamPart::Head;
            // A head for the first token leaves no parameter out.
            assert_eq!(*old != param.data(), learns, "{path}");
        }
    }
}

/// Compares two folders tensor by tensor, and the fields that both configurations have.
fn assert_same_files(
    written: &Path,
    [ours, theirs]: [&str; 2],
    expected: &Path,
    differing: &[&str],
) {
    let found = Fixture::read(&written.join(ours));
    let mut names = found.names();
    names.sort();
    let (shapes, numbers): (Vec<_>, Vec<_>) =
        names.iter().map(|name| (found.shape(name), found.floats(name))).unzip();
    if theirs.ends_with(".safetensors") {
        let library = Fixture::read(&expected.join(theirs));
        let mut library_names = library.names();
        library_names.sort();
        assert_eq!(names, library_names, "{}", expected.display());
        for (i, name) in names.iter().enumerate() {
            assert_eq!(shapes[i], library.shape(name), "{name}");
            assert_eq!(numbers[i], library.floats(name), "{name}");
        }
    }
    let json = |path: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(path.join("adapter_config.json")).unwrap()).unwrap()
    };
    let (ours, theirs) = (json(written), json(expected));
    for (key, value) in ours.as_object().unwrap() {
        if !differing.contains(&key.as_str()) {
            assert_same(key, value, &theirs[key]);
        }
    }
}

/// Equal but for the way a whole number is written.
fn assert_same(key: &str, a: &Value, b: &Value) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{key}: {a:?} and {b:?}");
            a.iter().for_each(|(key, value)| assert_same(key, value, &b[key]));
        }
        (Value::Number(a), Value::Number(b)) => assert_eq!(a.as_f64(), b.as_f64(), "{key}"),
        _ => assert_eq!(a, b, "{key}"),
    }
}

#[test]
fn written_adapters_are_those_of_the_library() {
    let device = Device::flex();
    for case in CASES.iter().filter(|case| case.0 != "first") {
        let loaded = open_case(case, &device);
        for name in case.2 {
            let written = tempfile::tempdir().unwrap();
            let base = Some(case.1);
            save_adapter(written.path(), &loaded.model, name, &loaded.config_json, base).unwrap();
            let expected = folder(&format!("{}-{name}", case.0));
            let library = if expected.join("adapter.safetensors").exists() {
                "adapter.safetensors"
            } else {
                "pytorch_adapter.bin"
            };
            let names = ["adapter.safetensors", library];
            assert_same_files(written.path(), names, &expected, &["model_class"]);
            // What is written is read again, under another name as well.
            let mut again = open_case(case, &device);
            let choice = AdapterChoice { name: Some("again".into()), ..AdapterChoice::default() };
            load_adapter(written.path(), &mut again.model, &choice).unwrap();
            assert_eq!(again.model.encoder.adapter("again"), loaded.model.encoder.adapter(name));
            again.model.encoder.set_active_adapters(&["again"]).unwrap();
            let mut original = open_case(case, &device);
            original.model.encoder.set_active_adapters(&[*name]).unwrap();
            let [found, expected] =
                [again, original].map(|loaded| values(forward(case.1, &loaded, &device).logits));
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn written_lora_is_that_of_peft() {
    let device = Device::flex();
    for (case, family) in LORA_CASES {
        let mut loaded = open(family, &device);
        load_lora(&folder(case), &mut loaded.model, "task").unwrap();
        let head = (case == "lora-head").then_some(loaded.head.as_ref()).flatten();
        let written = tempfile::tempdir().unwrap();
        save_lora(written.path(), &loaded.model, "task", head, Some(family)).unwrap();
        let library =
            if case == "lora-all" { "adapter_model.bin" } else { "adapter_model.safetensors" };
        let names = ["adapter_model.safetensors", library];
        let differing: &[&str] = match case {
            // The library names both classes of heads, and trains no pooler.
            "lora-head" => &["modules_to_save", "target_modules"],
            // A pattern there, names and layers here.
            "lora-all" => &["target_modules", "layers_to_transform"],
            _ => &["target_modules"],
        };
        let expected = folder(case);
        if case != "lora-head" {
            assert_same_files(written.path(), names, &expected, differing);
        }
        let mut again = open(family, &device);
        load_lora(written.path(), &mut again.model, "other").unwrap();
        assert_eq!(again.model.encoder.lora("other"), loaded.model.encoder.lora("task"));
        let [found, expected] =
            [again, loaded].map(|loaded| values(forward(family, &loaded, &device).logits));
        assert_eq!(found, expected, "{case}");
    }
}

/// Writes folders and logits for `make/adapter_roundtrip.py`, which asks the libraries for the same.
#[test]
fn the_libraries_can_be_asked() {
    let Some(folder) = std::env::var_os("ISOGLOSS_WRITE_ADAPTERS").map(PathBuf::from) else {
        eprintln!("no ISOGLOSS_WRITE_ADAPTERS: no folders for the libraries are written");
        return;
    };
    let device = Device::flex();
    for case in &CASES {
        for name in case.2 {
            let mut loaded = open_case(case, &device);
            loaded.model.encoder.set_active_adapters(&[*name]).unwrap();
            let folder = folder.join(format!("{}-{name}", case.0));
            std::fs::create_dir_all(&folder).unwrap();
            let json = &loaded.config_json;
            save_adapter(&folder, &loaded.model, name, json, Some(case.1)).unwrap();
            write_logits(&folder, case.1, &loaded, &device);
        }
    }
    for (case, family) in LORA_CASES {
        let mut loaded = open(family, &device);
        load_lora(&self::folder(case), &mut loaded.model, "task").unwrap();
        let folder = folder.join(case);
        std::fs::create_dir_all(&folder).unwrap();
        save_lora(&folder, &loaded.model, "task", loaded.head.as_ref(), Some(family)).unwrap();
        write_logits(&folder, family, &loaded, &device);
    }
}

fn write_logits(folder: &Path, family: &str, loaded: &LoadedModel, device: &Device) {
    let logits = forward(family, loaded, device).logits;
    let logits = isogloss_model::NamedParam::new("logits".into(), logits);
    isogloss_model::write_safetensors(&folder.join("expected.safetensors"), vec![logits]).unwrap();
}

#[test]
fn an_adapter_of_e5_small_takes_some_hundred_kilobytes() {
    let device = Device::flex();
    let mut random = RandomParams::new(1);
    let config = presets::multilingual_e5_small(100);
    let mut model = isogloss_model::Model::init(&config, None, &mut random, &device);
    let json = serde_json::json!({ "model_type": "bert" });
    let size = |folder: &Path, file: &str| std::fs::metadata(folder.join(file)).unwrap().len();
    for (adapter, expected) in [
        (AdapterConfig::seq_bn(16.0), 900_000..1_000_000),
        (AdapterConfig::seq_bn_inv(2.0), 7_000_000..8_000_000),
    ] {
        model.encoder.add_adapter("a", &adapter, &mut random).unwrap();
        let folder = tempfile::tempdir().unwrap();
        save_adapter(folder.path(), &model, "a", &json, None).unwrap();
        let bytes = size(folder.path(), "adapter.safetensors");
        println!("{adapter:?}: {bytes} bytes");
        assert!(expected.contains(&bytes), "{bytes}");
    }
    model.encoder.add_lora("b", &LoraConfig::new(8), &mut random).unwrap();
    let folder = tempfile::tempdir().unwrap();
    save_lora(folder.path(), &model, "b", None, None).unwrap();
    let bytes = size(folder.path(), "adapter_model.safetensors");
    println!("LoRA: {bytes} bytes");
    assert!((580_000..620_000).contains(&bytes), "{bytes}");
}

#[test]
fn dropout_of_an_adapter_differs_between_passes() {
    let device = Device::flex().autodiff();
    let mut loaded = open("bert", &device);
    let config = AdapterConfig { dropout: 0.5, ..AdapterConfig::double_seq_bn(2.0) };
    let mut random = RandomParams::new(1);
    loaded.model.encoder.add_adapter("a", &config, &mut random).unwrap();
    loaded.model.encoder.set_active_adapters(&["a"]).unwrap();
    let input = input("bert", &loaded, &device);
    let [first, same, other] =
        [1, 1, 2].map(|seed| values(loaded.model.forward(&input, &Pass::training(seed)).logits));
    assert_eq!(first, same);
    assert!(difference(&first, &other).0 > 1e-3);
}
