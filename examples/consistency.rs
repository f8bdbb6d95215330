//! Three ways to ask for the same answer twice, and what they do to the Fisher information.
//!
//! ```text
//! cargo run --release --example consistency
//! ```
//!
//! Plain fine-tuning on English commands beside R-Drop (two masks of dropout) and R3F (noise on the
//! embeddings). The trace of the Fisher information says how fast predictions change as parameters do;
//! consistency regularization is thought to work by making it small.

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
        let measures = Measures::take(&model, &set, &device.device, &options)?;
        println!("{name:<10}{:>14.2}", measures.fisher.trace);
    }
    Ok(())
}
