//! Shared code of the examples; the programs are beside this file.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, bail};
use clap::Parser;
use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::text::{FeatureOptions, Format, ReadOptions, Unseen};
use isogloss::{
    Event, LabeledSet, Outcome, Plan, Predictor, Results, RunFolder, RunOptions, finetune,
};
use serde_json::Value;

/// Folder of the encoder that all examples start from.
pub const MODEL: &str = "examples/isogloss-tiny";

/// Folder of voice commands in sixteen languages, with intent labels.
pub const COMMANDS: &str = "examples/data/commands";

/// Folder of parallel names of things in English and fifteen other languages.
pub const NAMES: &str = "examples/data/names";

/// CLI arguments of every example.
#[derive(Parser)]
pub struct Args {
    /// The device to compute on
    #[arg(long, default_value = "flex")]
    pub device: DeviceChoice,
    /// The folder to write the runs to
    #[arg(long, default_value = "runs/examples")]
    pub out: String,
}

/// Changes to the root of the repository, where the paths of recipes begin, and opens the device.
///
/// # Errors
/// If the encoder is not there, or the device cannot be opened.
pub fn begin(args: &Args) -> anyhow::Result<OpenDevice> {
    isogloss::tune_allocator();
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
    if !Path::new(MODEL).exists() {
        bail!("no {MODEL}: make it as examples/recipes/tiny/README.md says");
    }
    Ok(open(args.device)?)
}

/// Commands of the test split in a language, with a label that the model has.
///
/// # Errors
/// If they cannot be read, or none has such a label.
pub fn test_commands(predictor: &Predictor, language: &str) -> anyhow::Result<LabeledSet> {
    Ok(LabeledSet::read(
        format!("{COMMANDS}/{language}.jsonl").as_ref(),
        &ReadOptions::new(Format::Jsonl).with_split("test"),
        predictor.task(),
        language.parse()?,
        predictor.tokenizer(),
        &predictor.labels()?,
        &FeatureOptions::new(64).with_unseen(Unseen::Skip),
    )?)
}

/// Trains a recipe from scratch, whatever an earlier call left, in a folder of `out` with the
/// recipe's name, and prints development scores during training.
///
/// # Errors
/// Those of a faulty recipe, and of [`finetune`].
pub fn train(recipe: &str, out: &str, device: &OpenDevice) -> anyhow::Result<(Results, RunFolder)> {
    let recipe: &Path = recipe.as_ref();
    let plan = Plan::from_file(recipe)?;
    let name = recipe.file_stem().unwrap_or_default();
    let folder = RunFolder::new(Path::new(out).join(name));
    let stop = AtomicBool::new(false);
    let options = RunOptions {
        model_folder: plan.recipe().model.source.as_str().into(),
        teacher_folder: None,
        device: device.device.clone(),
        device_info: device.info.clone(),
        fresh: true,
        stop: &stop,
    };
    println!("training {}", recipe.display());
    let outcome = finetune(&plan, &folder, &options, &mut |event| {
        if let Event::Dev { step, scores, .. } = event {
            println!("  step {step}: {:.1} held out", 100.0 * scores.main());
        }
    })?;
    match outcome {
        Outcome::Finished(results) => Ok((*results, folder)),
        Outcome::Stopped { .. } => unreachable!("nobody stops it"),
    }
}

/// Trains recipes of `examples/recipes/small`, and prints their scores beside each other.
///
/// # Errors
/// As [`train`].
pub fn compare(recipes: &[&str], out: &str, device: &OpenDevice) -> anyhow::Result<Vec<RunFolder>> {
    let (mut results, mut folders) = (Vec::new(), Vec::new());
    for name in recipes {
        let (of_run, folder) = train(&format!("examples/recipes/small/{name}.toml"), out, device)?;
        results.push(of_run);
        folders.push(folder);
    }
    print_scores(&recipes.iter().copied().zip(&results).collect::<Vec<_>>());
    Ok(folders)
}

/// Score table: the main score of each run by language, in percent.
fn print_scores(runs: &[(&str, &Results)]) {
    let Some((_, first)) = runs.first() else { return };
    let row = |name: &str, score: &dyn Fn(&Results) -> f64, remark: &str| {
        let scores = runs.iter().map(|(_, results)| format!("{:>14.1}", 100.0 * score(results)));
        println!("{name:<10}{}{remark}", scores.collect::<String>());
    };
    let names: String = runs.iter().map(|(name, _)| format!("{name:>14}")).collect();
    println!("\n{:<10}{names}", first.metric);
    for language in first.languages.keys() {
        let remark = if language == first.source() { "  source" } else { "" };
        row(language, &|results| results.languages[language].scores.main(), remark);
    }
    println!();
    row("", &|results| results.mean_target.unwrap_or(f64::NAN), "  mean of the others");
}

/// Runs a peer program, which measures the same as an example, and parses the last line that it
/// prints as JSON.
///
/// # Errors
/// If it cannot be started, fails, or prints something else.
pub fn run_peer(command: &mut Command) -> anyhow::Result<Value> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let program = [command.get_program()].into_iter().chain(command.get_args().take(1));
        let program: Vec<_> = program.map(|part| part.to_string_lossy()).collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        let problem = last.map_or_else(|| output.status.to_string(), str::to_owned);
        let hint = match problem.contains("ModuleNotFoundError") {
            true => "; install what examples/peer/requirements.txt names",
            false => "",
        };
        bail!("{}: {problem}{hint}", program.join(" "));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    Ok(serde_json::from_str(stdout.lines().last().unwrap_or_default())?)
}

/// Exit code of a program; prints its error in one line, without a backtrace.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Median of the values, the upper of two middle ones; NaN without values.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Uniform random number in [0, 1) by xorshift (Marsaglia 2003), enough for synthetic data; `state`
/// is not 0.
pub fn uniform(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 40) as f32 / (1u64 << 24) as f32
}
