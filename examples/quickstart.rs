//! Fine-tunes isogloss-tiny on English commands, and tries it in fifteen other languages.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```
//!
//! Two recipes: one plain, one that asks for the same answer when a command is cut into other
//! subwords. The data comes with the repository; `examples/recipes/tiny/README.md` says how the model is
//! made. Runs are left in `runs/quickstart`, and a report on both in `report.html`.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::bail;
use clap::Parser;
use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::report::{RunRecord, render};
use isogloss::{Event, Outcome, Plan, Results, RunFolder, RunOptions, finetune};

/// What the recipes start from.
const MODEL: &str = "examples/isogloss-tiny";

#[derive(Parser)]
struct Args {
    /// Where to compute
    #[arg(long, default_value = "flex")]
    device: DeviceChoice,
    /// The folder of the runs
    #[arg(long, default_value = "runs/quickstart")]
    out: String,
}

fn main() -> anyhow::Result<()> {
    isogloss::keep_pages();
    let args = Args::parse();
    // The paths of the recipes begin at the repository.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
    if !Path::new(MODEL).exists() {
        bail!("no {MODEL}: make it as examples/recipes/tiny/README.md says");
    }
    let device = open(args.device)?;
    let began = Instant::now();
    let mut runs = Vec::new();
    for name in ["plain", "regularized"] {
        let plan = Plan::from_file(format!("examples/recipes/quickstart/{name}.toml").as_ref())?;
        let folder = RunFolder::new(Path::new(&args.out).join(name));
        println!("training the {name} recipe on English commands");
        runs.push((train(&plan, &folder, &device)?, folder));
    }
    let (plain, regularized) = (&runs[0].0, &runs[1].0);
    println!("\n{:<10}{:>10}{:>14}", "accuracy", "plain", "regularized");
    for (language, result) in &plain.languages {
        let scores = [result, &regularized.languages[language]].map(|r| 100.0 * r.scores.main());
        let source = if *language == plain.source { "  source" } else { "" };
        println!("{:<10}{:>10.1}{:>14.1}{source}", language.as_str(), scores[0], scores[1]);
    }
    let means = [plain, regularized].map(|results| 100.0 * results.mean_target.unwrap_or(f64::NAN));
    println!("\n{:<10}{:>10.1}{:>14.1}  mean of the others", "", means[0], means[1]);

    let records: Vec<_> =
        runs.iter().map(|(_, folder)| RunRecord::load(folder.path())).collect::<Result<_, _>>()?;
    std::fs::write("report.html", render(&records))?;
    println!("\n{:.0} seconds; report.html has more", began.elapsed().as_secs_f64());
    Ok(())
}

/// Trains from the beginning, whatever an earlier call left.
fn train(plan: &Plan, folder: &RunFolder, device: &OpenDevice) -> anyhow::Result<Results> {
    let stop = AtomicBool::new(false);
    let options = RunOptions {
        model_folder: plan.recipe().model.source.clone().into(),
        teacher_folder: None,
        device: device.device.clone(),
        device_info: device.info.clone(),
        fresh: true,
        stop: &stop,
    };
    let outcome = finetune(plan, folder, &options, &mut |event| {
        if let Event::Dev { step, scores, .. } = event {
            println!("  step {step}: {:.1} on English commands held out", 100.0 * scores.main());
        }
    })?;
    match outcome {
        Outcome::Finished(results) => Ok(*results),
        Outcome::Stopped { .. } => unreachable!("nobody stops it"),
    }
}
