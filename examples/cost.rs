//! Cost of recipes: seconds of a training step of several recipes in turn, and their ratio to the
//! first.
//!
//! ```text
//! cargo run --release --package isogloss-examples --example cost -- \
//!     examples/recipes/consistency/plain.toml examples/recipes/consistency/r_drop.toml
//! ```
//!
//! Every recipe takes its first steps on its own data, as `isogloss finetune` would, in a temporary
//! folder; the recipes take turns.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::model::ModelFolder;
use isogloss::{Event, Plan, RunFolder, RunOptions, finetune};
use isogloss_examples::median;

#[derive(Parser)]
struct Args {
    /// The recipes; the first is the baseline
    #[arg(required = true)]
    recipes: Vec<PathBuf>,
    /// Number of measured steps in a turn, after two warmup steps
    #[arg(long, default_value_t = 20)]
    steps: u64,
    /// Number of turns of each recipe
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// The device to compute on
    #[arg(long, default_value = "flex")]
    device: DeviceChoice,
}

const N_WARMUP: u64 = 2;

fn main() -> anyhow::Result<()> {
    isogloss::tune_allocator();
    let args = Args::parse();
    let device = open(args.device)?;
    let plans = args.recipes.iter().map(|path| Plan::from_file(path));
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    let mut seconds = vec![Vec::new(); plans.len()];
    for _ in 0..args.rounds {
        for (plan, seconds) in plans.iter().zip(&mut seconds) {
            seconds.extend(steps(plan, &args, &device)?);
        }
    }
    println!("{:<24}{:>12}{:>9}", "recipe", "s / step", "ratio");
    let first = median(&seconds[0]);
    for (plan, seconds) in plans.iter().zip(&seconds) {
        let median = median(seconds);
        println!("{:<24}{median:>12.3}{:>8.2}×", plan.name(), median / first);
    }
    Ok(())
}

/// Seconds of each step in one turn.
fn steps(plan: &Plan, args: &Args, device: &OpenDevice) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let folder_of = |source: &str| -> anyhow::Result<ModelFolder> {
        let folder = std::fs::canonicalize(source);
        Ok(folder.with_context(|| format!("no model folder {source}"))?.into())
    };
    let stop = AtomicBool::new(false);
    let options = RunOptions {
        model_folder: folder_of(&plan.recipe().model.source)?,
        device: device.device.clone(),
        device_info: device.info.clone(),
        teacher_folder: plan.recipe().teacher.as_ref().map(|t| folder_of(&t.source)).transpose()?,
        fresh: false,
        stop: &stop,
    };
    let (mut seconds, mut last) = (Vec::new(), Instant::now());
    finetune(plan, &RunFolder::new(folder.path()), &options, &mut |event| {
        if let Event::Step { step, .. } = event {
            if step > N_WARMUP {
                seconds.push(last.elapsed().as_secs_f64());
            }
            stop.store(step == N_WARMUP + args.steps, Ordering::Relaxed);
            last = Instant::now();
        }
    })?;
    Ok(seconds)
}
