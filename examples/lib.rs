//! What the examples share; the programs are beside this file.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::bail;
use clap::Parser;
use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::{Event, Outcome, Plan, Results, RunFolder, RunOptions, finetune};

/// The encoder that all of them start from.
pub const MODEL: &str = "examples/isogloss-tiny";

/// Commands of sixteen languages.
pub const COMMANDS: &str = "examples/data/commands";

/// Names of things in English and fifteen other languages.
pub const NAMES: &str = "examples/data/names";

/// What every example takes.
#[derive(Parser)]
pub struct Args {
    /// Where to compute
    #[arg(long, default_value = "flex")]
    pub device: DeviceChoice,
    /// The folder of the runs
    #[arg(long, default_value = "runs/examples")]
    pub out: String,
}

/// Goes to the repository, where the paths of recipes begin, and opens the device.
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

/// Carries out a recipe from its beginning, whatever an earlier call left, in a folder of `out` with the
/// recipe's name, and prints development scores as they come.
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
        model_folder: plan.recipe().model.source.clone().into(),
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

/// Carries out recipes of `examples/recipes/small`, and prints their scores beside each other.
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

/// Prints the main score of runs over the same languages, in percent.
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
