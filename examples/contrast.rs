//! Contrastive learning of translations: InfoNCE over the names of things in sixteen languages.
//!
//! ```text
//! cargo run --release --example contrast
//! ```
//!
//! Prints the retrieval accuracy before and after: how often the nearest name of the other language
//! is the translation, among 100 that were not trained on.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use anyhow::Context as _;
use clap::Parser as _;
use isogloss_examples::{Args, begin, train};
use serde_json::Value;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = begin(&args)?;
    let (after, run) = train("examples/recipes/small/info_nce.toml", &args.out, &device)?;

    // The first line of the log is the score before the first step.
    let log = std::fs::read_to_string(run.path().join("metrics.jsonl"))?;
    let before: Value = serde_json::from_str(log.lines().next().context("the log has lines")?)?;
    println!("\n{:<10}{:>10}{:>10}", "accuracy", "before", "after");
    for (language, after) in &after.languages {
        let before = before["languages"][language].as_f64().context("it was scored before")?;
        println!("{language:<10}{:>10.1}{:>10.1}", 100.0 * before, 100.0 * after.scores.main());
    }
    Ok(())
}
