//! Consistency regularization: plain fine-tuning, R-Drop and R3F, and their Fisher information.
//!
//! ```text
//! cargo run --release --example consistency
//! ```
//!
//! R-Drop compares the predictions under two dropout masks, R3F those with and without noise on the
//! embeddings; all three train on English commands. The trace of the Fisher information tells how
//! fast predictions change with the parameters; consistency regularization is thought to work by
//! making it small.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use clap::Parser as _;
use isogloss::{MeasureOptions, Measures, Predictor};
use isogloss_examples::{Args, begin, compare, test_commands};

const RECIPES: [&str; 3] = ["plain", "r_drop", "r3f"];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = begin(&args)?;
    let runs = compare(&RECIPES, &args.out, &device)?;

    println!("\nFisher information at 160 English commands of the test split");
    for (name, run) in RECIPES.iter().zip(&runs) {
        let predictor = Predictor::load(run.best(), &device.device)?;
        let set = test_commands(&predictor, "en")?;
        let model = predictor.into_trainable();
        let options = MeasureOptions { n_examples: Some(160), ..MeasureOptions::default() };
        let measures = Measures::take(&model, &set, None, &device.device, &options)?;
        println!("{name:<10}{:>14.2}", measures.fisher.trace);
    }
    Ok(())
}
