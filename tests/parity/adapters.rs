//! Parity of adapters with the `adapters` library, and of LoRA and (IA)³ with `peft`: the folders
//! that the libraries wrote load here and give their logits, hidden states and gradients.
//! `tests/fixtures/make/lora_and_adapters.py` made the folders and the expected values.

mod files;
mod heads;

use std::path::PathBuf;

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_methods::{
    AdamW, AdamWConfig, CrossEntropyConfig, Gradients, ObjectiveConfig, StepInput,
};
use isogloss_model::{
    AdapterChoice, AdapterConfig, AdapterLibrary, BottleneckConfig, ForwardOptions, Ia3Config,
    LoadedModel, LoraConfig, ModelInput, ModelOutput, NamedParam, ParamLocation, ParamMapper,
    ParamPart, RandomParams, TargetModule, load_adapter, load_peft, map_parameters,
    named_parameters, parameter_name,
};
use isogloss_tests::{
    Fixture, assert_close, devices, difference, fixtures, saved_model, tensor, values,
};

/// Case: name, family, adapters, and stacks of them; as in the fixture script.
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
const PEFT_CASES: [(&str, &str); 5] = [
    ("lora-head", "bert"),
    ("lora-all", "xlm-roberta"),
    ("lora-down", "distilbert"),
    ("ia3-default", "bert"),
    ("ia3-pattern", "distilbert"),
];
/// Cases whose folder has a head.
const WITH_HEAD: [&str; 2] = ["lora-head", "ia3-default"];

/// Relative tolerance on every device.
const TOLERANCE: f32 = 1e-5;

fn folder(case: &str) -> PathBuf {
    fixtures().join("adapters").join(case)
}

/// Loads a model with all adapters of a case, none of them active.
fn open_case((case, family, names, _): &Case, device: &Device) -> LoadedModel {
    let mut loaded = saved_model(family, device);
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
    loaded.model.forward(&input(family, loaded, device), &ForwardOptions::evaluation())
}

fn loss(family: &str, output: ModelOutput, device: &Device) -> Tensor<1> {
    let labels = Fixture::open(family).ints("labels");
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [4]), device);
    let objective = ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default()).init();
    objective.loss(&StepInput::original(output, Some(labels))).unwrap()
}

/// Compares all outputs and gradients that the fixture has below `prefix`.
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
    let gradients = Gradients::from_loss(&loss, &loaded.model);
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
    assert!(n_compared == n_expected && n_expected > 0, "{what}: {n_compared} of {n_expected}");
}

#[test]
fn adapters_of_the_library_give_its_outputs_and_gradients() {
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for case in &CASES {
            let mut loaded = open_case(case, &device);
            for stack in case.3 {
                loaded.model.encoder.set_active_adapters(stack).unwrap();
                // Earlier versions stored the same adapter with other fields.
                let expected = if case.0 == "first" { "gelu" } else { case.0 };
                let prefix = format!("{expected}.{}", stack.join("+"));
                let what = format!("{} {} on {device_name}", case.0, stack.join("+"));
                compare(&what, &prefix, case.1, &loaded, &device, TOLERANCE);
            }
        }
    }
}

#[test]
fn adapters_of_peft_give_its_outputs_and_gradients() {
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for (case, family) in PEFT_CASES {
            let mut loaded = saved_model(family, &device);
            let found = load_peft(&folder(case), &mut loaded.model, "task").unwrap();
            let n_head = if WITH_HEAD.contains(&case) { 2 } else { 0 };
            assert_eq!((found.replaced.len(), found.unused), (n_head, Vec::new()));
            let what = format!("{case} on {device_name}");
            compare(&what, case, family, &loaded, &device, TOLERANCE);
        }
    }
}

#[test]
fn merged_adapters_give_the_same_outputs() {
    for (_, device) in devices() {
        for (case, family) in PEFT_CASES {
            let mut loaded = saved_model(family, &device);
            load_peft(&folder(case), &mut loaded.model, "task").unwrap();
            let before = values(forward(family, &loaded, &device).logits);
            loaded.model.encoder.merge_adapter("task").unwrap();
            assert!(loaded.model.encoder.adapters(AdapterLibrary::Peft).next().is_none());
            let after = values(forward(family, &loaded, &device).logits);
            assert_close(case, &after, &before, 1e-6);
        }
    }
}

#[test]
fn what_is_not_active_changes_no_bit() {
    let device = Device::flex();
    for family in ["bert", "xlm-roberta", "distilbert", "electra"] {
        let mut loaded = saved_model(family, &device);
        let before = values(forward(family, &loaded, &device).logits);
        let mut random = RandomParams::new(3);
        let encoder = &mut loaded.model.encoder;
        encoder.add_adapter("a", &BottleneckConfig::seq_bn_inv(2.0), &mut random).unwrap();
        encoder.add_adapter("b", &LoraConfig::new(4), &mut random).unwrap();
        encoder.remove_adapter(AdapterLibrary::Peft, "b").unwrap();
        assert_eq!(values(forward(family, &loaded, &device).logits), before);
        loaded.model.encoder.set_active_adapters(&["a"]).unwrap();
        assert_ne!(values(forward(family, &loaded, &device).logits), before);
        loaded.model.encoder.remove_adapter(AdapterLibrary::Adapters, "a").unwrap();
        assert_eq!(values(forward(family, &loaded, &device).logits), before);
    }
}

#[test]
fn a_new_adapter_of_peft_starts_from_the_model_as_it_is() {
    let device = Device::flex();
    let target_modules = TargetModule::ALL.to_vec();
    let feedforward_modules = vec![TargetModule::AttentionOutput, TargetModule::FeedForwardDown];
    let lora = LoraConfig { target_modules: target_modules.clone(), ..LoraConfig::new(4) };
    let ia3 = Ia3Config { target_modules, feedforward_modules, ..Ia3Config::new() };
    for config in [AdapterConfig::from(lora), ia3.into()] {
        let mut loaded = saved_model("bert", &device);
        let before = values(forward("bert", &loaded, &device).logits);
        loaded.model.encoder.add_adapter("task", &config, &mut RandomParams::new(1)).unwrap();
        assert_eq!(values(forward("bert", &loaded, &device).logits), before);
    }
}

#[test]
fn kinds_at_projections_do_not_mix() {
    let (device, mut random) = (Device::flex(), RandomParams::new(1));
    let mut loaded = saved_model("bert", &device);
    let encoder = &mut loaded.model.encoder;
    encoder.add_adapter("a", &LoraConfig::new(2), &mut random).unwrap();
    let fault = encoder.add_adapter("b", &Ia3Config::new(), &mut random).unwrap_err();
    let expected = "adapter \"b\" is of the kind ia3: it cannot stand beside \"a\", lora";
    assert_eq!(fault.to_string(), expected);
    let fault = load_peft(&folder("ia3-default"), &mut loaded.model, "b").unwrap_err();
    assert!(fault.to_string().ends_with(expected), "{fault}");
    // An adapter of another kind can take its name, without a trace of the first.
    let before = values(forward("bert", &saved_model("bert", &device), &device).logits);
    loaded.model.encoder.add_adapter("a", &Ia3Config::new(), &mut random).unwrap();
    assert_eq!(values(forward("bert", &loaded, &device).logits), before);
    let paths = named_parameters(&loaded.model).into_iter().map(|param| param.path);
    assert_eq!(paths.filter(|path| path.contains(".a.")).count(), 6);
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
        loaded.model.encoder.swap_active_adapter(from, to).unwrap();
        let logits = values(forward("xlm-roberta", &loaded, &device).logits);
        assert_close(expected, &logits, &fixture.floats(expected), 1e-5);
    }
    let fault = loaded.model.encoder.swap_active_adapter("en", Some("de")).unwrap_err();
    assert_eq!(fault.to_string(), "no adapter \"en\"");
    let fault = loaded.model.encoder.set_active_adapters(&["nerr"]).unwrap_err();
    assert_eq!(fault.to_string(), "no adapter \"nerr\", the nearest is \"ner\"");
}

#[test]
fn layers_can_be_left_out_when_an_adapter_is_loaded() {
    let device = Device::flex();
    let mut loaded = saved_model("xlm-roberta", &device);
    let choice = AdapterChoice { name: Some("english".into()), leave_out: vec![1] };
    let adapter = load_adapter(&folder("mad_x-en"), &mut loaded.model, &choice).unwrap();
    assert_eq!((adapter.name.as_str(), adapter.config.leave_out), ("english", vec![1]));
    let layers = named_parameters(&loaded.model).into_iter().filter_map(|param| {
        let place = ParamLocation::from_path(&param.path)?;
        (place.part == ParamPart::Adapter("english")).then_some(place.layer)
    });
    assert!(layers.eq([Some(0); 4]));
}

#[test]
fn the_inverse_undoes_the_invertible_adapter() {
    for (_, device) in devices() {
        let fixture = Fixture::open("adapters");
        let mut loaded = open_case(&CASES[3], &device);
        let hidden = fixture.floats("mad_x.en+ner.hidden");
        let undo = |loaded: &LoadedModel| {
            let hidden = tensor(hidden.clone(), [2, 12, 32], &device);
            values(loaded.model.encoder.inverse_invertible_adapter(hidden))
        };
        assert_eq!(undo(&loaded), hidden, "no adapter is active");
        loaded.model.encoder.set_active_adapters(&["en", "ner"]).unwrap();
        let expected = fixture.floats("mad_x.inverse");
        assert_close("inverse", &undo(&loaded), &expected, TOLERANCE);

        // The output of the embedding layer is that of the invertible adapter.
        let adapted = forward("xlm-roberta", &loaded, &device).hidden_states[0].clone();
        let undone = values(loaded.model.encoder.inverse_invertible_adapter(adapted));
        loaded.model.encoder.set_active_adapters(&[]).unwrap();
        let plain = values(forward("xlm-roberta", &loaded, &device).hidden_states[0].clone());
        assert_close("there and back", &undone, &plain, 1e-6);
    }
}

/// Parameter mapper that trains only the added parameters and the head.
struct AddedOnly;

impl ParamMapper for AddedOnly {
    fn map<const D: usize>(
        &mut self,
        path: &str,
        param: burn::module::Param<Tensor<D>>,
    ) -> burn::module::Param<Tensor<D>> {
        let place = ParamLocation::from_path(path).unwrap();
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
        loaded.model.encoder.add_adapter("task", &LoraConfig::new(2), &mut random).unwrap();
        // A copy: the data of a device may share memory with the parameter.
        let numbers = |param: &NamedParam| param.data().as_slice::<f32>().unwrap().to_vec();
        let before: Vec<_> = named_parameters(&loaded.model)
            .iter()
            .map(|param| (param.path.clone(), numbers(param)))
            .collect();
        let mut model = map_parameters(loaded.model.clone(), &mut AddedOnly);
        let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() });
        let mut losses = Vec::new();
        for step in 0..10 {
            loaded.model = model;
            let input = input("bert", &loaded, &device);
            let output = loaded.model.forward(&input, &ForwardOptions::training(step));
            let loss = loss("bert", output, &device);
            losses.push(loss.clone().into_scalar::<f32>());
            let gradients = Gradients::from_loss(&loss, &loaded.model);
            (model, _) = optimizer.step(loaded.model, gradients, 1e-2);
        }
        assert!(losses[9] < losses[0], "{losses:?}");
        for ((path, old), param) in before.iter().zip(named_parameters(&model)) {
            let place = ParamLocation::from_path(path).unwrap();
            let learns = place.is_added() || place.part == ParamPart::Head;
            // A head that pools the first token trains all parameters.
            assert_eq!(*old != numbers(&param), learns, "{path}");
        }
    }
}

#[test]
fn dropout_of_an_adapter_differs_between_passes() {
    let device = Device::flex().autodiff();
    let mut loaded = saved_model("bert", &device);
    let config = BottleneckConfig { dropout: 0.5, ..BottleneckConfig::double_seq_bn(2.0) };
    let mut random = RandomParams::new(1);
    loaded.model.encoder.add_adapter("a", &config, &mut random).unwrap();
    loaded.model.encoder.set_active_adapters(&["a"]).unwrap();
    let input = input("bert", &loaded, &device);
    let [first, same, other] = [1, 1, 2]
        .map(|seed| values(loaded.model.forward(&input, &ForwardOptions::training(seed)).logits));
    assert_eq!(first, same);
    assert!(difference(&first, &other).0 > 1e-3);
}
