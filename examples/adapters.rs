//! Bottleneck adapters against full fine-tuning: all adapters trained at once, and with gradual
//! unfreezing.
//!
//! ```text
//! cargo run --release --example adapters
//! ```
//!
//! Prints the scores in sixteen languages, and the size of what each model has to store.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::path::Path;

use clap::Parser as _;
use isogloss_examples::{Args, begin, compare};

const RECIPES: [&str; 3] = ["plain", "adapter", "gradual"];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = begin(&args)?;
    let runs = compare(&RECIPES, &args.out, &device)?;

    println!();
    for (name, run) in RECIPES.iter().zip(&runs) {
        println!("{name:<10}{:>11.2} MB", n_bytes(&run.best())? as f64 / 1e6);
    }
    Ok(())
}

fn n_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() {
            n_bytes(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(sum)
}
