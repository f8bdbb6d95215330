//! Quickstart: fine-tunes isogloss-tiny on English commands, and evaluates it zero-shot in fifteen
//! other languages.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```
//!
//! Two recipes: plain fine-tuning, and consistency regularization, which asks for the same
//! prediction under another subword segmentation. The data comes with the repository;
//! `examples/recipes/tiny/README.md` tells how the model is made. Both runs are left in
//! `runs/examples`, with a report on them.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::path::Path;
use std::time::Instant;

use clap::Parser as _;
use isogloss::report::{RunRecord, render};
use isogloss_examples::{Args, begin, compare};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = begin(&args)?;
    let began = Instant::now();
    let runs = compare(&["plain", "regularized"], &args.out, &device)?;
    let records: Vec<_> =
        runs.iter().map(|run| RunRecord::load(run.path())).collect::<Result<_, _>>()?;
    let report = Path::new(&args.out).join("quickstart.html");
    std::fs::write(&report, render(&records))?;
    println!("\n{:.0} s; more in {}", began.elapsed().as_secs_f64(), report.display());
    Ok(())
}
