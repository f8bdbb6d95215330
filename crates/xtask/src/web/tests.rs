//! Browser tests of the page, and the native reference numbers that they compare with.

use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::{DIST, isogloss};
use crate::{run, target_folder};

const MODEL: &str = "plain";

/// Runs the browser tests, which compare with the command line tool too; without the module for WebGPU those that need it are skipped.
pub(super) fn run_tests(only_cpu: bool) -> Result<()> {
    let native = absolute(target_folder().join("web/native.json"))?;
    fs::write(&native, serde_json::to_string(&native_numbers()?)?)?;
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir("web"))?;
    let mut tests = Command::new("npm");
    tests.arg("test").current_dir("web").env("ISOGLOSS_NATIVE", native);
    // The native numbers have built it.
    let program = target_folder().join("release/isogloss").with_extension(EXE_EXTENSION);
    tests.env("ISOGLOSS_COMMAND", absolute(program)?);
    if only_cpu {
        tests.env("ISOGLOSS_NO_WEBGPU", "1");
    }
    run(&mut tests)
}

/// Reference numbers of the command line, for the model and the data of the page.
fn native_numbers() -> Result<Value> {
    let model = Path::new(DIST).join("models").join(MODEL);
    let mut commands: Vec<PathBuf> = fs::read_dir(Path::new(DIST).join("data/commands"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    commands.sort_unstable();
    let mut evaluate = isogloss("evaluate");
    evaluate.arg(&model).args(["--json", "--device", "flex"]);
    let results = answer(evaluate.args(["--split", "test"]).args(&commands), "")?;
    let results: Value = serde_json::from_str(&results)?;
    let languages = results["languages"].as_object().context("results by language")?;
    let accuracy: Map<String, Value> = languages
        .iter()
        .map(|(language, scores)| (language.clone(), scores["accuracy"].clone()))
        .collect();

    let mut predictions = Map::new();
    for path in &commands {
        let language = path.file_stem().context("a file has a name")?.to_string_lossy();
        let texts: Vec<String> = fs::read_to_string(path)?
            .lines()
            .map(serde_json::from_str::<Value>)
            .filter_map(|line| line.map(test_text).transpose())
            .collect::<Result<_, _>>()?;
        let mut predict = isogloss("predict");
        predict.arg(&model).args(["--json", "--device", "flex"]);
        let lines = answer(&mut predict, &texts.join("\n"))?;
        let of_language: Vec<Value> = lines
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line)?;
                let prediction = &line["prediction"];
                Ok(json!({
                    "text": line["text"],
                    "label": prediction["label"],
                    "probability": prediction["probability"],
                }))
            })
            .collect::<Result<_>>()?;
        predictions.insert(language.into_owned(), of_language.into());
    }
    Ok(json!({ "model": MODEL, "predictions": predictions, "accuracy": accuracy }))
}

fn test_text(example: Value) -> Option<String> {
    (example["split"] == "test").then(|| example["text"].as_str().map(str::to_owned)).flatten()
}

/// Runs a command with this standard input, and returns its standard output.
fn answer(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("it was asked for")?;
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().expect("writing does not panic")?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
