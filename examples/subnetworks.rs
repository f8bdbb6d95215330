//! Subnetworks of attention heads that each language needs.
//!
//! ```text
//! cargo run --release --example subnetworks
//! ```
//!
//! Fine-tunes on English commands, then prunes heads by a language's importance scores, the lowest
//! first, while at least 95 % of its score is left, and prints the overlap between the languages.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use clap::Parser as _;
use isogloss::report::head_overlap;
use isogloss::{Evaluator, Predictor, SubnetworkSearchOptions, find_subnetwork};
use isogloss_examples::{Args, begin, test_commands, train};

const LANGUAGES: [&str; 6] = ["en", "de", "es", "fr", "nl", "ru"];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = begin(&args)?;
    let (_, run) = train("examples/recipes/small/plain.toml", &args.out, &device)?;
    let predictor = Predictor::load(run.best(), &device.device)?;
    let (task, labels) = (predictor.task(), predictor.labels()?);
    let evaluator = Evaluator {
        model: &predictor.loaded().model,
        task,
        labels: &labels,
        batch_size: 32,
        device: &device.device,
        subnetwork: None,
        centring: None,
    };
    let mut kept = Vec::new();
    println!("\n{:<10}{:>8}{:>10}{:>10}", "", "heads", "accuracy", "of all");
    for language in LANGUAGES {
        let set = test_commands(&predictor, language)?;
        // With so few commands the search and the evaluation share them; a study would hold some
        // out.
        let pruned = find_subnetwork(&evaluator, &set, &set, SubnetworkSearchOptions::default())?;
        let n_heads = pruned.subnetwork.n_heads();
        let score = pruned.rounds.iter().find(|(heads, ..)| *heads == n_heads);
        let [score, whole] =
            [score, pruned.rounds.first()].map(|round| 100.0 * round.map_or(f64::NAN, |of| of.2));
        println!("{language:<10}{n_heads:>8}{score:>10.1}{whole:>10.1}");
        kept.push(pruned.subnetwork);
    }
    print!("\n{:<10}", "shared");
    LANGUAGES.iter().for_each(|language| print!("{language:>8}"));
    for (language, a) in LANGUAGES.iter().zip(&kept) {
        print!("\n{language:<10}");
        kept.iter().for_each(|b| print!("{:>8.2}", head_overlap(a.heads(), b.heads(), None)));
    }
    println!("\n(heads that both keep, of those that either keeps)");
    Ok(())
}
