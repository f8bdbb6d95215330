//! `isogloss embed`: rows that are those of `encode` of sentence-transformers, in each format.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use isogloss::model::WeightFiles;
use isogloss_tests::{assert_close, copy_model, fixtures};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Width of a dense layer's input and output in the fixture.
const DENSE: [usize; 2] = [32, 12];

fn fixture() -> Value {
    let bytes = fs::read(fixtures().join("sentence_embeddings.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn write_json(path: &Path, value: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

/// Writes the dense layer of the fixture as a safetensors file.
fn write_dense(path: &Path, dense: &Value) {
    let [width, out] = DENSE;
    let n_weight = 4 * width * out;
    let header = json!({
        "linear.weight": {"dtype": "F32", "shape": [out, width], "data_offsets": [0, n_weight]},
        "linear.bias": {"dtype": "F32", "shape": [out], "data_offsets": [n_weight, n_weight + 4 * out]},
    });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    for name in ["linear.weight", "linear.bias"] {
        bytes.extend(floats(&dense[name]).iter().flat_map(|x| x.to_le_bytes()));
    }
    fs::write(path, bytes).unwrap();
}

/// Folder of a case of the fixture in `model`, and the texts in `texts.txt`.
fn folder_of(fixture: &Value, case: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    copy_model(case["family"].as_str().unwrap(), &model);
    write_json(&model.join("tokenizer_config.json"), &fixture["tokenizer_config"]);
    let transformer = json!(["Transformer", "", null]);
    let modules = [&transformer].into_iter().chain(case["modules"].as_array().unwrap());
    let mut listed = Vec::new();
    for module in modules {
        let (kind, path) = (module[0].as_str().unwrap(), module[1].as_str().unwrap());
        let kind = format!("sentence_transformers.models.{kind}");
        if !module[2].is_null() {
            write_json(&model.join(path).join("config.json"), &module[2]);
        }
        if kind.ends_with("Dense") {
            write_dense(&model.join(path).join("model.safetensors"), &fixture["dense"]);
        }
        listed.push(json!({"idx": listed.len(), "name": "0", "path": path, "type": kind}));
    }
    write_json(&model.join("modules.json"), &json!(listed));
    write_json(&model.join("sentence_bert_config.json"), &case["transformer"]);
    write_json(&model.join("config_sentence_transformers.json"), &case["settings"]);
    let texts = fixture["texts"].as_array().unwrap().iter();
    let lines: String = texts.map(|text| format!("{}\n", text.as_str().unwrap())).collect();
    fs::write(folder.path().join("texts.txt"), lines).unwrap();
    folder
}

fn embed(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
    command.args(["embed", "model", "--device", "flex"]).args(args).current_dir(folder);
    command.output().unwrap()
}

#[track_caller]
fn succeeds(folder: &Path, args: &[&str]) -> (String, String) {
    let output = embed(folder, args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{args:?}: {err}");
    (out, err)
}

/// Shape and numbers of an `.npy` file of version 1.0.
fn read_npy(path: &Path) -> ([usize; 2], Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!(start % 64, 0, "numpy aligns the numbers");
    let header = std::str::from_utf8(&bytes[10..start]).unwrap();
    assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': ("), "{header}");
    assert!(header.ends_with('\n'));
    let (_, shape) = header.split_once("'shape': (").unwrap();
    let (shape, _) = shape.split_once(')').unwrap();
    let shape: Vec<usize> = shape.split(", ").map(|size| size.parse().unwrap()).collect();
    let values = bytes[start..].chunks_exact(4);
    let values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    (shape.try_into().unwrap(), values)
}

#[test]
fn embeddings_are_those_of_sentence_transformers() {
    let fixture = fixture();
    let n_texts = fixture["texts"].as_array().unwrap().len();
    for (number, case) in fixture["cases"].as_array().unwrap().iter().enumerate() {
        let folder = folder_of(&fixture, case);
        let mut args = vec!["texts.txt", "--out", "rows.npy", "--batch-size", "3"];
        let encode = &case["encode"];
        for (field, flag) in [("prompt", "--prompt"), ("prompt_name", "--prompt-name")] {
            if let Some(text) = encode[field].as_str() {
                args.extend([flag, text]);
            }
        }
        if encode["normalize_embeddings"] == true {
            args.push("--normalize");
        }
        succeeds(folder.path(), &args);
        let (shape, rows) = read_npy(&folder.path().join("rows.npy"));
        assert_eq!(shape, [n_texts, case["width"].as_u64().unwrap() as usize], "case {number}");
        assert_close(&format!("case {number}"), &rows, &floats(&case["embeddings"]), 2e-5);
    }
}

#[test]
fn each_format_has_the_same_rows_and_counts_are_told() {
    let fixture = fixture();
    let case = &fixture["cases"][0];
    let folder = folder_of(&fixture, case);
    let path = folder.path();
    let (out, err) = succeeds(path, &["texts.txt", "--out", "rows.npy"]);
    assert!(out.starts_with("wrote     8 rows of 32 numbers to rows.npy\n"), "{out}");
    // The empty line, and the text that is longer than the tokenizer's 30 tokens.
    let told = out + &err;
    assert!(told.contains("no token  1 texts") && told.contains("cut       1 texts"), "{told}");
    let (_, rows) = read_npy(&path.join("rows.npy"));

    succeeds(path, &["texts.txt", "--out", "rows.safetensors"]);
    let bytes = fs::read(path.join("rows.safetensors")).unwrap();
    let mut tensors = WeightFiles::from_safetensors(bytes, "rows.safetensors".as_ref()).unwrap();
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["embeddings"]);
    assert_eq!(tensors.read("embeddings", &[8, 32]).unwrap(), rows);

    succeeds(path, &["texts.txt", "--out", "rows.jsonl"]);
    let lines = fs::read_to_string(path.join("rows.jsonl")).unwrap();
    let (shown, _) = succeeds(path, &["texts.txt"]);
    assert!(shown.starts_with(&lines));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let written: Vec<f32> = lines.iter().flat_map(|line| floats(&line["embedding"])).collect();
    assert_eq!(written, rows);
    let texts: Vec<&Value> = lines.iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, fixture["texts"].as_array().unwrap().iter().collect::<Vec<_>>());

    let (summary, _) = succeeds(path, &["texts.txt", "--out", "rows.npy", "--json"]);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((&summary["n"], &summary["width"]), (&json!(8), &json!(32)));
    assert_eq!(summary["data"]["n_without_tokens"], json!(1));
}

/// What comes before a fault in the stream is kept, and the fault names its line.
#[test]
fn a_stream_that_breaks_keeps_the_rows_before() {
    let fixture = fixture();
    let folder = folder_of(&fixture, &fixture["cases"][0]);
    for out in [&["--out", "rows.npy"][..], &[]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
        command.args(["embed", "model", "--device", "flex"]).args(out).current_dir(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"licht an\nbitte\n\xff\nlicht\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("standard input:3: not valid UTF-8"), "{err}");
        if out.is_empty() {
            assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
        } else {
            assert_eq!(read_npy(&folder.path().join("rows.npy")).0, [2, 32]);
        }
    }
}

#[test]
fn what_cannot_be_done_is_refused_and_leaves_earlier_rows() {
    let fixture = fixture();
    let folder = folder_of(&fixture, &fixture["cases"][5]);
    let path = folder.path();
    fs::write(path.join("rows.npy"), "earlier").unwrap();
    fs::write(path.join("texts.jsonl"), "{\"text\": \"licht\"}\n").unwrap();
    for (args, part) in [
        (&["texts.txt", "--out", "rows.txt"][..], "rows.txt: expected a name that ends in .npy"),
        (&["texts.jsonl", "--out", "rows.npy"], "texts.jsonl: expected texts alone, one a line"),
        (&["texts.txt", "--out", "texts.txt"], "the file is read, and would be lost"),
        (&["none.txt", "--out", "rows.npy"], "none.txt"),
        (&["texts.txt", "--out", "rows.npy", "--layer", "9"], "layer 9"),
        (
            &["texts.txt", "--out", "rows.npy", "--prompt-name", "other"],
            "--prompt-name other: the model's prompts are document, none, passage, query",
        ),
        (&["texts.txt", "--json"], "give --out"),
    ] {
        let output = embed(path, args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && err.contains(part), "{args:?}: {err}");
    }
    assert_eq!(fs::read_to_string(path.join("rows.npy")).unwrap(), "earlier");
    assert!(!path.join("rows.npy.partial").exists());
}
