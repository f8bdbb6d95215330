//! Benchmark of dependency tree decoding (maximum spanning trees): trees per second on one core.
//!
//! ```text
//! cargo run --release --package isogloss-examples --example trees
//! ```
//!
//! The arc scores are random, which leaves many cycles to contract, or favor one tree over noise,
//! as those of a trained parser do.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use anyhow::ensure;
use clap::Parser;
use isogloss::text::maximum_spanning_tree;
use isogloss_examples::{median, uniform};

#[derive(Parser)]
struct Args {
    /// Number of words of a sentence
    #[arg(long, default_value_t = 50)]
    words: usize,
    /// Number of sentences
    #[arg(long, default_value_t = 2000)]
    sentences: usize,
    /// Number of repetitions over all sentences; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!("{:<12}{:>14}{:>10}", "scores", "sentences/s", "µs");
    for (name, margin) in [("random", 0.0), ("parsed", 4.0)] {
        let sentences: Vec<Vec<f32>> =
            (0..args.sentences).map(|seed| scores(args.words, margin, seed as u64)).collect();
        let mut seconds = Vec::new();
        for _ in 0..args.rounds.max(1) {
            let began = Instant::now();
            for scores in &sentences {
                let heads = black_box(maximum_spanning_tree(black_box(scores), args.words)?);
                ensure!(heads.len() == args.words, "a head for each word");
            }
            seconds.push(began.elapsed().as_secs_f64());
        }
        let each = median(&seconds) / args.sentences as f64;
        println!("{name:<12}{:>14.0}{:>10.1}", 1.0 / each, 1e6 * each);
    }
    Ok(())
}

/// Arc scores: noise of standard deviation 1, plus `margin` on the arcs of a random tree.
fn scores(n_words: usize, margin: f32, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut draw = || uniform(&mut state);
    let width = n_words + 1;
    let mut scores: Vec<f32> =
        (0..width * width).map(|_| (0..3).map(|_| 2.0 * draw() - 1.0).sum()).collect();
    for word in 1..width {
        // The first word is the root; each other word has an earlier one as its head.
        let head = if word == 1 { 0 } else { 1 + (draw() * (word - 1) as f32) as usize };
        scores[word * width + head.min(word - 1)] += margin;
    }
    scores
}
