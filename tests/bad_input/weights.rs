//! Weight files: damaged, incomplete or of other sizes; and every valid storage format.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{ForwardOptions, HeadChoice, HeadSpec, LoadError, LoadedModel, Pooling, load};
use isogloss_tests::{Fixture, difference, fixtures, values};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folders::edit_json;
use crate::memory::within_memory;
use crate::{assert_refused, copy_of, replace_bytes, truncate};

fn open(folder: &Path) -> Result<LoadedModel, LoadError> {
    load(folder, &HeadChoice::Saved, &Device::flex())
}

#[test]
fn truncated_safetensors_name_the_file() {
    let file = fs::read(fixtures().join("bert/model.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    for (len, found) in [
        (0, "truncated: 0 bytes hold no header".to_owned()),
        (7, "truncated: 7 bytes hold no header".to_owned()),
        (8, format!("truncated: a header of {} bytes in a file of 8", header - 8)),
        (header - 1, format!("in a file of {}", header - 1)),
        (header, format!("truncated: expected {} bytes, found {header}", file.len())),
        (header + 1, format!("truncated: expected {} bytes", file.len())),
        (file.len() / 2, format!("truncated: expected {} bytes", file.len())),
        (file.len() - 1, format!("found {}", file.len() - 1)),
    ] {
        let folder = copy_of("bert");
        truncate(&folder.path().join("model.safetensors"), len);
        assert_refused(
            &format!("{len} bytes"),
            open(folder.path()),
            &["model.safetensors: ", &found],
        );
    }
}

#[test]
fn safetensors_that_are_none_name_the_file() {
    let header = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        let info = format!("\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}");
        header(&format!("{{\"a\":{{{info}}}}}"))
    };
    let longer = [fs::read(fixtures().join("bert/model.safetensors")).unwrap(), vec![0]].concat();
    for (case, bytes, parts) in [
        ("text", b"<!DOCTYPE html><html></html>".to_vec(), &["truncated"][..]),
        ("one byte more", longer, &["expected 98540 bytes, found 98541"]),
        ("a header that is no JSON", header("{\"a\":"), &["header: EOF", "line 1 column"]),
        ("a list", header("[]"), &["header: "]),
        ("an unknown type", tensor("F33", "[1]", "[0,4]"), &["tensor \"a\": ", "F33"]),
        ("a negative size", tensor("F32", "[-1]", "[0,4]"), &["tensor \"a\": ", "-1"]),
        ("few bytes", tensor("F32", "[2]", "[0,4]"), &["tensor \"a\": its bytes do not fit"]),
        ("an end before the start", tensor("F32", "[1]", "[0,-4]"), &["tensor \"a\": ", "-4"]),
        ("a gap", tensor("F32", "[1]", "[4,8]"), &["tensor \"a\": its bytes begin at 4"]),
        (
            "a product beyond all numbers",
            tensor("F32", "[4294967296,4294967296]", "[0,0]"),
            &["tensor \"a\""],
        ),
        (
            "a place beyond all files",
            tensor("F32", "[1]", "[18446744073709551608,18446744073709551612]"),
            &["tensor \"a\": its bytes begin at 18446744073709551608"],
        ),
        ("a header of 2^63 bytes", (1u64 << 63).to_le_bytes().to_vec(), &["truncated: a header"]),
        ("a header of 2^64 - 1 bytes", u64::MAX.to_le_bytes().to_vec(), &["truncated: a header"]),
    ] {
        let folder = copy_of("bert");
        fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
        let result = within_memory(case, || open(folder.path()));
        assert_refused(case, result, &[&["model.safetensors: "], parts].concat());
    }

    let folder = copy_of("bert");
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    fs::create_dir(folder.path().join("model.safetensors")).unwrap();
    assert_refused("a folder", open(folder.path()), &["model.safetensors: "]);
}

#[test]
fn other_sizes_than_the_configurations_name_the_tensors() {
    for (fixture, field, size, parts) in [
        (
            "bert",
            "vocab_size",
            121,
            &[
                "tensor \"bert.embeddings.word_embeddings.weight\": expected shape [121, 32], found [120, 32]",
            ][..],
        ),
        (
            "bert",
            "intermediate_size",
            128,
            &[
                "\"bert.encoder.layer.0.intermediate.dense.weight\": expected shape [128, 32], found [64, 32]",
                "\"bert.encoder.layer.1.intermediate.dense.bias\": expected shape [128], found [64]",
                "\"bert.encoder.layer.1.output.dense.weight\": expected shape [32, 128], found [32, 64]",
            ],
        ),
        (
            "xlm-roberta",
            "max_position_embeddings",
            514,
            &[
                "\"roberta.embeddings.position_embeddings.weight\": expected shape [514, 32], found [42, 32]",
            ],
        ),
        (
            "distilbert",
            "dim",
            64,
            &[
                "\"distilbert.embeddings.LayerNorm.bias\": expected shape [64], found [32]",
                "\"pre_classifier.weight\": expected shape [64, 64], found [32, 32]",
            ],
        ),
        (
            "distilbert",
            "n_layers",
            3,
            &["no tensor \"distilbert.transformer.layer.2.attention.q_lin.weight\""],
        ),
        // These allocations would be 256 GB and more.
        (
            "bert",
            "vocab_size",
            2_000_000_000,
            &["expected shape [2000000000, 32], found [120, 32]"],
        ),
        (
            "bert",
            "hidden_size",
            2_000_000_000,
            &["expected shape [2000000000, 2000000000], found [32, 32]"],
        ),
    ] {
        let folder = copy_of(fixture);
        edit_json(&folder.path().join("config.json"), |json| json[field] = json!(size));
        let case = format!("{fixture} with {field} = {size}");
        let spec = HeadSpec::sequence(vec!["a".into(), "b".into()], Pooling::FirstToken);
        let new = HeadChoice::New { spec, seed: 1 };
        for head in [HeadChoice::Saved, new, HeadChoice::Without] {
            let result = within_memory(&case, || load(folder.path(), &head, &Device::flex()));
            let is_bare = head != HeadChoice::Saved;
            let in_encoder =
                parts.iter().filter(|part| !is_bare || !part.contains("pre_classifier"));
            let parts: Vec<_> = ["model.safetensors: "].iter().chain(in_encoder).copied().collect();
            assert_refused(&case, result, &parts);
        }
    }
}

#[test]
fn missing_tensors_are_all_named_with_the_nearest_name() {
    let folder = copy_of("bert");
    let file = folder.path().join("model.safetensors");
    replace_bytes(&file, "layer.1.output.dense.weight", "layer.1.output.dense.weihgt");
    replace_bytes(&file, "embeddings.LayerNorm.bias", "embeddings.LayerNorm.vias");
    assert_refused(
        "two names misspelled",
        open(folder.path()),
        &[
            "model.safetensors: no tensor \"bert.encoder.layer.1.output.dense.weight\", the nearest is",
            "model.safetensors: no tensor \"bert.embeddings.LayerNorm.bias\", the nearest is \
             \"bert.embeddings.LayerNorm.vias\"",
        ],
    );
}

#[test]
fn a_missing_head_is_an_error_only_where_it_must_be_there() {
    let folder = copy_of("bert");
    replace_bytes(
        &folder.path().join("model.safetensors"),
        "\"classifier.weight\"",
        "\"classifier.weihgt\"",
    );
    assert_refused("saved head", open(folder.path()), &["no tensor \"classifier.weight\""]);
    let spec = HeadSpec::sequence(vec!["a".into(), "b".into()], Pooling::Mean);
    let loaded = load(folder.path(), &HeadChoice::New { spec, seed: 1 }, &Device::flex()).unwrap();
    assert_eq!(loaded.report.fresh, ["classifier.weight", "classifier.bias"]);
}

#[test]
fn tensors_that_are_no_floats_are_named() {
    let folder = copy_of("bert");
    let file = folder.path().join("model.safetensors");
    let bytes = fs::read(&file).unwrap();
    let name = "\"classifier.bias\":{\"dtype\":\"F32\"";
    assert!(String::from_utf8_lossy(&bytes).contains(name), "the layout of the header");
    replace_bytes(&file, name, "\"classifier.bias\":{\"dtype\":\"I32\"");
    let part =
        "model.safetensors: tensor \"classifier.bias\": expected f32, f16 or bf16, found I32";
    assert_refused("integers", open(folder.path()), &[part]);
}

#[test]
fn faulty_indices_and_shards_are_named() {
    const INDEX: &str = "model.safetensors.index.json";
    const FIRST: &str = "model-00001-of-00002.safetensors";
    const SECOND: &str = "model-00002-of-00002.safetensors";
    type Damage = fn(&Path);
    fn rename_first(folder: &Path, to: Value) {
        edit_json(&folder.join(INDEX), |json| {
            let map = json["weight_map"].as_object_mut().unwrap();
            for file in map.values_mut().filter(|file| *file == FIRST) {
                *file = to.clone();
            }
        });
    }
    fn name_of(folder: &Path) -> String {
        let json: Value = serde_json::from_slice(&fs::read(folder.join(INDEX)).unwrap()).unwrap();
        let map = json["weight_map"].as_object().unwrap();
        map.iter().find(|(_, file)| *file == FIRST).unwrap().0.clone()
    }
    let first = name_of(&fixtures().join("bert-variants"));
    let in_first = format!("no tensor \"{first}\"");
    let beside = "expected the name of a file beside it, found ";
    let cases: [(&str, Damage, &[&str]); 12] = [
        ("missing", |f| fs::remove_file(f.join(SECOND)).unwrap(), &[SECOND, "No such file"]),
        ("truncated", |f| truncate(&f.join(SECOND), 5000), &[SECOND, "truncated"]),
        ("no shard", |f| rename_first(f, json!("model-3.safetensors")), &["model-3.safetensors"]),
        (
            "above",
            |f| rename_first(f, json!("../x.safetensors")),
            &[INDEX, beside, "../x.safetensors"],
        ),
        ("elsewhere", |f| rename_first(f, json!("/etc/passwd")), &[INDEX, beside, "/etc/passwd"]),
        ("backwards", |f| rename_first(f, json!("..\\x")), &[INDEX, beside]),
        ("the folder", |f| rename_first(f, json!("..")), &[INDEX, beside, "\"..\""]),
        ("a number", |f| rename_first(f, json!(1)), &[INDEX, beside, "found 1", "tensor \""]),
        ("the other shard", |f| rename_first(f, json!(SECOND)), &[INDEX, &in_first]),
        ("no map", |f| fs::write(f.join(INDEX), "{}").unwrap(), &[INDEX, "weight_map"]),
        (
            "an empty map",
            |f| fs::write(f.join(INDEX), r#"{"weight_map": {}}"#).unwrap(),
            &[INDEX, "no tensor"],
        ),
        ("cut off", |f| truncate(&f.join(INDEX), 200), &[INDEX, "EOF", "line "]),
    ];
    for (case, damage, parts) in cases {
        let folder = copy_of("bert-variants");
        fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
        damage(folder.path());
        assert_refused(case, open(folder.path()), parts);
    }
}

#[test]
fn damaged_pickles_name_the_file() {
    let file = fs::read(fixtures().join("bert-variants/pytorch_model.bin")).unwrap();
    let mut damaged = file.clone();
    // Inside a tensor, where the checksum of its archive entry fails.
    damaged[file.len() / 2] ^= 0x55;
    let html = b"<!DOCTYPE html>".to_vec();
    for (case, bytes) in [
        ("nothing", Vec::new()),
        ("four bytes", file[..4].to_vec()),
        ("a tenth", file[..file.len() / 10].to_vec()),
        ("half", file[..file.len() / 2].to_vec()),
        ("all but one byte", file[..file.len() - 1].to_vec()),
        ("all but the directory", file[..file.len() - 2000].to_vec()),
        ("a flipped byte", damaged),
        ("a web page", html),
        ("safetensors", fs::read(fixtures().join("bert/model.safetensors")).unwrap()),
    ] {
        let folder = bin_folder("pytorch_model.bin");
        fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        assert_refused(case, open(folder.path()), &["pytorch_model.bin: "]);
    }
}

/// Model folder with the configuration and one pickle file.
fn bin_folder(name: &str) -> TempDir {
    let (from, folder) = (fixtures().join("bert-variants"), tempfile::tempdir().unwrap());
    fs::copy(from.join("config.json"), folder.path().join("config.json")).unwrap();
    fs::copy(from.join(name), folder.path().join("pytorch_model.bin")).unwrap();
    folder
}

#[test]
fn every_way_of_storing_gives_the_same_logits() {
    let (from, fixture) = (fixtures().join("bert-variants"), Fixture::open("bert"));
    let safetensors_folder = |name: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(from.join("config.json"), folder.path().join("config.json")).unwrap();
        fs::copy(from.join(name), folder.path().join("model.safetensors")).unwrap();
        folder
    };
    let sharded = copy_of("bert-variants");
    fs::remove_file(sharded.path().join("pytorch_model.bin")).unwrap();
    for (case, folder, expected) in [
        ("one file", copy_of("bert"), "logits"),
        ("shards", sharded, "logits"),
        ("pickle", bin_folder("pytorch_model.bin"), "logits"),
        ("pickle with gamma and beta", bin_folder("legacy_model.bin"), "logits"),
        ("f16", safetensors_folder("f16.safetensors"), "f16.logits"),
        ("bf16", safetensors_folder("bf16.safetensors"), "bf16.logits"),
    ] {
        let loaded = open(folder.path()).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(loaded.report.fresh.is_empty() && loaded.report.unused.is_empty(), "{case}");
        let mask: Vec<u8> = fixture.ints("attention_mask").iter().map(|real| *real as u8).collect();
        let (ids, types) = (fixture.ints("input_ids"), fixture.ints("token_type_ids"));
        let config = loaded.model.encoder.config();
        let input = config.input(&ids, &mask, &types, 12, &Device::flex()).unwrap();
        let logits = values(loaded.model.forward(&input, &ForwardOptions::evaluation()).logits);
        let (absolute, _) = difference(&logits, &fixture.floats(expected));
        assert!(absolute <= 1e-5, "{case}: {absolute:e}");
    }
    // The three references differ, so that a wrong type is noticed.
    let [f32, f16, bf16] = ["logits", "f16.logits", "bf16.logits"].map(|name| fixture.floats(name));
    for (a, b) in [(&f32, &f16), (&f32, &bf16), (&f16, &bf16)] {
        assert!(difference(a, b).0 > 1e-4);
    }
}
