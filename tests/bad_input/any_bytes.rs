//! Fuzz tests (property-based) of the file readers: any bytes give a value or an error, without a
//! panic or excessive memory.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss::Plan;
use isogloss_model::{EncoderConfig, HeadChoice, WeightFiles, load, load_masked_lm};
use isogloss_tests::fixtures;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use tempfile::TempDir;

use crate::copy_of;
use crate::damage::damage;
use crate::folders::edit_json;
use crate::job::Job;
use crate::memory::within_memory;

/// Reads a model folder with every loader.
fn read(folder: &Path) {
    within_memory("a spoiled folder", || {
        let device = Device::flex();
        _ = load(folder, &HeadChoice::Saved, &device);
        _ = load(folder, &HeadChoice::Without, &device);
        _ = load_masked_lm(folder, &HeadChoice::Saved, &device);
        let Ok(mut files) = WeightFiles::open(folder) else { return };
        let names: Vec<_> = files.names().map(str::to_owned).collect();
        for name in names {
            let shape = files.shape(&name).unwrap();
            _ = files.read(&name, &shape);
        }
    });
}

/// Model folder with a valid configuration and these bytes as its weights.
fn folder_with(name: &str, bytes: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixtures().join("bert/config.json"), folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

/// Magic bytes and prefixes of files that a reader accepts.
fn starts() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        Vec::new(),
        b"PK\x03\x04".to_vec(),
        b"PK\x05\x06".to_vec(),
        b"\x80\x02".to_vec(),
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec(),
        b"}".to_vec(),
        b"(".to_vec(),
        b"c".to_vec(),
        b"\x10\x00\x00\x00\x00\x00\x00\x00{".to_vec(),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_weights_or_an_error(
        start in starts(),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let bytes = [start, rest].concat();
        for name in ["model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"] {
            read(folder_with(name, &bytes).path());
        }
    }

    #[test]
    fn damaged_safetensors_are_weights_or_an_error(damages in prop::collection::vec(damage(), 1..4)) {
        let mut bytes = fs::read(fixtures().join("bert/model.safetensors")).unwrap();
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        damages.iter().for_each(|damage| damage.apply(&mut bytes, 0..header));
        read(folder_with("model.safetensors", &bytes).path());
    }

    #[test]
    fn damaged_pickles_are_weights_or_an_error(
        damages in prop::collection::vec(damage(), 1..4),
        name in prop::sample::select(vec!["pytorch_model.bin", "legacy_model.bin"]),
        in_directory: bool,
    ) {
        let mut bytes = fs::read(fixtures().join("bert-variants").join(name)).unwrap();
        // The pickle is at the start of the archive, the archive's directory at its end.
        let structure = if in_directory { bytes.len() - 3000..bytes.len() } else { 0..6000 };
        damages.iter().for_each(|damage| damage.apply(&mut bytes, structure.clone()));
        read(folder_with("pytorch_model.bin", &bytes).path());
    }

    #[test]
    fn damaged_indices_are_weights_or_an_error(damages in prop::collection::vec(damage(), 1..4)) {
        let folder = copy_of("bert-variants");
        fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
        let path = folder.path().join("model.safetensors.index.json");
        let mut bytes = fs::read(&path).unwrap();
        let all = 0..bytes.len();
        damages.iter().for_each(|damage| damage.apply(&mut bytes, all.clone()));
        fs::write(path, bytes).unwrap();
        read(folder.path());
    }

    #[test]
    fn any_json_is_a_configuration_or_an_error(value in json()) {
        _ = EncoderConfig::from_json(&value);
    }

    #[test]
    fn any_value_in_a_configuration_gives_a_model_or_an_error(
        fixture in prop::sample::select(vec!["bert", "xlm-roberta", "distilbert-tokens", "electra"]),
        changes in prop::collection::vec((any::<Index>(), json()), 1..3),
    ) {
        let folder = copy_of(fixture);
        edit_json(&folder.path().join("config.json"), |config| {
            let fields = config.as_object_mut().unwrap();
            for (at, value) in changes {
                let field = at.index(fields.len());
                *fields.values_mut().nth(field).unwrap() = value;
            }
        });
        read(folder.path());
    }

    #[test]
    fn any_text_is_a_plan_or_an_error(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        _ = Plan::from_toml(&text, "r.toml".as_ref());
        _ = Plan::from_toml(&String::from_utf8_lossy(&bytes), "r.toml".as_ref());
    }

    #[test]
    fn any_shuffled_toml_is_a_plan_or_an_error(
        parts in prop::collection::vec(prop::sample::select(TOML_PARTS), 0..24),
    ) {
        check_plan(&parts.concat())?;
    }

    #[test]
    fn any_damaged_recipe_is_a_plan_or_an_error(
        damages in prop::collection::vec((any::<Index>(), 0usize..8, prop::sample::select(TOML_PARTS)), 1..5),
    ) {
        let mut recipe: Vec<char> = RECIPE.chars().collect();
        for (at, n, part) in damages {
            let start = at.index(recipe.len());
            let end = (start + n).min(recipe.len());
            recipe.splice(start..end, part.chars());
        }
        check_plan(&recipe.into_iter().collect::<String>())?;
    }
}

/// Round trip: a valid plan is equal after it is written and read; a fault has a place in the file.
fn check_plan(text: &str) -> Result<(), TestCaseError> {
    match Plan::from_toml(text, "r.toml".as_ref()) {
        Ok(plan) => {
            let again = Plan::from_toml(&plan.to_toml(), "r.toml".as_ref());
            prop_assert_eq!(again.map_err(|error| error.to_string()), Ok(plan));
        }
        Err(error) => {
            prop_assert!(!error.faults.is_empty());
            for fault in error.faults {
                let (line, column) = fault.position.unwrap();
                let line = text.split('\n').nth(line - 1);
                let n_columns = line.map(|line| line.chars().count());
                prop_assert!(n_columns.is_some_and(|n| (1..=n + 1).contains(&column)), "{}", fault);
            }
        }
    }
    Ok(())
}

const RECIPE: &str = r#"seed = 1
[model]
source = "models/tïny"
pooling = "mean"
max_length = 64
[task.tagging]
units = "word"
[data]
path = "data/{language}.jsonl"
columns.text = "utt" # the text
sources = ["en"]
languages = ["de", "sr-Latn"]
[[objective]]
weight = 0.5
method.cross_entropy = { label_smoothing = 0.1 }
[[objective]]
method.cross_entropy = {}
[optimizer]
learning_rate_schedule = "cosine"
adamw = { betas = [0.9, 0.99], weight_decay = 0.1 }
[training]
epochs = 3
max_steps = 10
"#;

const TOML_PARTS: &[&str] = &[
    "\n",
    "\n",
    "\n",
    "\r\n",
    " ",
    "=",
    " = ",
    ".",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    "#",
    "ä",
    "灯",
    "\u{0}",
    "\u{feff}",
    "\\",
    "\\u00e4",
    "-",
    "+",
    "_",
    "0",
    "1",
    "-1",
    "0x7f",
    "1e400",
    "nan",
    "inf",
    "true",
    "1979-05-27T07:32:00Z",
    "9223372036854775807",
    "18446744073709551615",
    "seed",
    "seed = 1\n",
    "[model]\n",
    "[model",
    "source",
    "sources = [\"en\"]\n",
    "model.source = \"x\"\n",
    "\"model\".\"source\" = 1\n",
    "max_length = 0\n",
    "[task.tagging]\n",
    "[task]\n",
    "task.classification = {}\n",
    "[data]\n",
    "path = \"{language}.tsv\"\n",
    "languages",
    "languages = \"all\"\n",
    "languages = [\"de\", 1]\n",
    "[data.columns]\n",
    "text = [1, [2]]\n",
    "[[objective]]\n",
    "objective = []\n",
    "objective = [{}, { weight = 1 }]\n",
    "method",
    "weight",
    "method.cross_entropy = {}\n",
    "method.x = {}\n",
    "weight = -1\n",
    "[objective.method]\n",
    "[schedule]\n",
    "[optimizer]\n",
    "[optimizer.adamw]\n",
    "adamw.betas = [0.9]\n",
    "betas = [2.0, nan]\n",
    "[training]\n",
    "epochs = 0\n",
    "batch_size = \"ä\"\n",
    "order = 1\n",
    "unknown = { a.b = 1 }\n",
];

/// JSON values that a configuration could hold by mistake.
fn json() -> impl Strategy<Value = Value> {
    let integer =
        prop::sample::select(vec![0i64, 1, -1, 3, 31, 64, 257, 100_000, 1 << 31, i64::MAX]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer.prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0u64..1 << 31).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2.0..2.0).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "bert",
            "roberta",
            "distilbert",
            "electra",
            "gelu",
            "relu",
            "mean",
            "0"
        ])
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "0",
            "1",
            "00",
            "model_type",
            "vocab_size",
            "hidden_size",
            "dim",
            "n_heads",
            "num_labels",
            "pooling",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_damaged_state_goes_on_or_is_an_error(damages in prop::collection::vec(damage(), 1..3)) {
        let job = Job::stopped();
        let path = job.checkpoint(5).join("state.json");
        let mut bytes = fs::read(&path).unwrap();
        // The numbers of the run are stored before those of the parameters.
        damages.iter().for_each(|damage| damage.apply(&mut bytes, 0..300));
        fs::write(&path, bytes).unwrap();
        _ = job.run();
        job.assert_best_predicts("a damaged state");
    }
}
