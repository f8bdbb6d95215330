//! Adapter folders that are written here equal those of the libraries, and can be loaded by them.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss_model::{
    AdapterChoice, AdapterLibrary, BottleneckConfig, LoadedModel, LoraConfig, Model, NamedParam,
    RandomParams, load_adapter, load_peft, presets, save, save_adapter, save_peft,
    write_safetensors,
};
use isogloss_tests::{Fixture, fixtures, saved_model, values};
use serde_json::Value;

use super::{CASES, PEFT_CASES, WITH_HEAD, folder, forward, open_case};

/// Compares two folders: all tensors, and the fields that both configurations have.
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

/// Fails unless two JSON values are equal, up to the notation of whole numbers.
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
            // The written folder loads again, under another name too.
            let mut again = open_case(case, &device);
            let choice = AdapterChoice { name: Some("again".into()), ..AdapterChoice::default() };
            load_adapter(written.path(), &mut again.model, &choice).unwrap();
            let library = AdapterLibrary::Adapters;
            let [found, expected] = [(&again, "again"), (&loaded, *name)]
                .map(|(loaded, name)| loaded.model.encoder.adapter(library, name).unwrap());
            assert_eq!(found, expected);
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
fn written_adapters_are_those_of_peft() {
    let device = Device::flex();
    for (case, family) in PEFT_CASES {
        let mut loaded = saved_model(family, &device);
        load_peft(&folder(case), &mut loaded.model, "task").unwrap();
        let head = WITH_HEAD.contains(&case).then_some(loaded.head.as_ref()).flatten();
        let written = tempfile::tempdir().unwrap();
        save_peft(written.path(), &loaded.model, "task", head, Some(family)).unwrap();
        let expected = folder(case);
        let library = if expected.join("adapter_model.bin").exists() {
            "adapter_model.bin"
        } else {
            "adapter_model.safetensors"
        };
        let names = ["adapter_model.safetensors", library];
        let differing: &[&str] = match case {
            // The library lists both classes of heads, and does not train the pooler.
            case if WITH_HEAD.contains(&case) => &["modules_to_save", "target_modules"],
            // The library writes a pattern, this project names and layers.
            "lora-all" => &["target_modules", "layers_to_transform"],
            _ => &["target_modules", "feedforward_modules"],
        };
        if !WITH_HEAD.contains(&case) {
            assert_same_files(written.path(), names, &expected, differing);
        }
        let mut again = saved_model(family, &device);
        load_peft(written.path(), &mut again.model, "other").unwrap();
        let [found, expected] = [(&again, "other"), (&loaded, "task")].map(|(loaded, name)| {
            loaded.model.encoder.adapter(AdapterLibrary::Peft, name).unwrap()
        });
        assert_eq!(found, expected);
        let [found, expected] =
            [again, loaded].map(|loaded| values(forward(family, &loaded, &device).logits));
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn a_saved_model_leaves_adapters_out() {
    let mut loaded = open_case(&CASES[0], &Device::flex());
    let mut random = RandomParams::new(1);
    loaded.model.encoder.add_adapter("task", &LoraConfig::new(2), &mut random).unwrap();
    let written = tempfile::tempdir().unwrap();
    let head = loaded.head.as_ref();
    save(written.path(), &loaded.model, head, &loaded.config_json).unwrap();
    let names = |folder: &Path| {
        let mut names = Fixture::read(&folder.join("model.safetensors")).names();
        names.sort();
        names
    };
    assert_eq!(names(written.path()), names(&fixtures().join("bert")));
}

/// Round-trip files: writes folders and logits for `make/lora_and_adapters_roundtrip.py`, which
/// compares the libraries with them.
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
    for (case, family) in PEFT_CASES {
        let mut loaded = saved_model(family, &device);
        load_peft(&super::folder(case), &mut loaded.model, "task").unwrap();
        let folder = folder.join(case);
        std::fs::create_dir_all(&folder).unwrap();
        save_peft(&folder, &loaded.model, "task", loaded.head.as_ref(), Some(family)).unwrap();
        write_logits(&folder, family, &loaded, &device);
    }
}

fn write_logits(folder: &Path, family: &str, loaded: &LoadedModel, device: &Device) {
    let logits = forward(family, loaded, device).logits;
    let logits = NamedParam::new("logits".into(), logits);
    write_safetensors(&folder.join("expected.safetensors"), vec![logits]).unwrap();
}

#[test]
fn adapters_of_e5_small_are_small_files() {
    let device = Device::flex();
    let mut random = RandomParams::new(1);
    let config = presets::multilingual_e5_small(100);
    let mut model = Model::init(&config, None, &mut random, &device);
    let json = serde_json::json!({ "model_type": "bert" });
    let size = |folder: &Path, file: &str| std::fs::metadata(folder.join(file)).unwrap().len();
    for (adapter, expected) in [
        (BottleneckConfig::seq_bn(16.0), 900_000..1_000_000),
        (BottleneckConfig::seq_bn_inv(2.0), 7_000_000..8_000_000),
    ] {
        model.encoder.add_adapter("a", &adapter, &mut random).unwrap();
        let folder = tempfile::tempdir().unwrap();
        save_adapter(folder.path(), &model, "a", &json, None).unwrap();
        let bytes = size(folder.path(), "adapter.safetensors");
        assert!(expected.contains(&bytes), "{bytes}");
    }
    model.encoder.add_adapter("b", &LoraConfig::new(8), &mut random).unwrap();
    let folder = tempfile::tempdir().unwrap();
    save_peft(folder.path(), &model, "b", None, None).unwrap();
    let bytes = size(folder.path(), "adapter_model.safetensors");
    assert!((580_000..620_000).contains(&bytes), "{bytes}");
}
