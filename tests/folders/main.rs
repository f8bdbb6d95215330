//! Model folders of other libraries: labels of `transformers`, sentence embeddings of
//! sentence-transformers, adapters of `peft` and `adapters` as the model, settings of tokenizers.
//!
//! A folder's settings are followed, or refused by file and field. The inputs are our own; the
//! public threads that report such folders are named at each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapter_heads;
mod adapters;
mod config;
mod labels;
mod sentences;
mod surgery;
mod tokenizers;

use std::fmt::Display;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_model::{NamedParam, write_safetensors};
use isogloss_tests::Fixture;
use serde_json::Value;

/// Fails unless there is an error whose message has all these parts.
#[track_caller]
fn assert_refused<T, E: Display>(case: &str, result: Result<T, E>, parts: &[&str]) {
    let Err(error) = result else { panic!("{case}: no error") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{case}: no {part:?} in {message:?}");
    }
}

/// Edits a JSON file in place.
fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut json);
    write_json(path, &json);
}

/// Writes a JSON file, and creates its parent folders.
fn write_json(path: &Path, json: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_vec_pretty(json).unwrap()).unwrap();
}

/// Tensors: names, shapes and values.
type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Edits the tensors of a safetensors file in place.
fn edit_weights(path: &Path, edit: impl FnOnce(&mut Tensors)) {
    let file = Fixture::read(path);
    let names = file.names().into_iter().filter(|name| !name.ends_with("position_ids"));
    let mut tensors: Tensors =
        names.map(|name| (name.clone(), file.shape(&name), file.floats(&name))).collect();
    edit(&mut tensors);
    write_weights(path, tensors);
}

/// Writes a safetensors file.
fn write_weights(path: &Path, tensors: Tensors) {
    let device = Device::flex();
    let param = |(name, shape, values): (String, Vec<usize>, Vec<f32>)| match shape[..] {
        [n] => NamedParam::new(name, Tensor::<1>::from_data(TensorData::new(values, [n]), &device)),
        [n, m] => {
            NamedParam::new(name, Tensor::<2>::from_data(TensorData::new(values, [n, m]), &device))
        }
        _ => panic!("{name} has the shape {shape:?}"),
    };
    write_safetensors(path, tensors.into_iter().map(param).collect()).unwrap();
}
