//! Benchmark of exact nearest neighbor search, by cosine and by margin: isogloss and numpy in turn,
//! and the ratio of their speeds.
//!
//! ```text
//! cargo run --release --package isogloss-examples --example search -- --python PYTHON
//! ```
//!
//! Both sides have 10 000 random unit vectors of dimension 384. Measured are the nearest neighbor
//! of every vector in both directions, and the one with the largest margin. The peer is
//! `examples/peer/search.py`, run by `--python` with numpy, and with faiss if that Python has it;
//! it reads the same vectors, and its answers are compared. Without `--python` only isogloss is
//! measured.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Parser;
use isogloss::device::{DeviceChoice, open};
use isogloss::search::{Neighbors, Vectors, nearest_both_ways, nearest_by_margin};
use isogloss_examples::{exit_code, median, run_peer, uniform};
use serde_json::Value;

#[derive(Parser)]
struct Args {
    /// Number of vectors of each side
    #[arg(long, default_value_t = 10_000)]
    vectors: usize,
    /// Dimension of the vectors
    #[arg(long, default_value_t = 384)]
    width: usize,
    /// Python interpreter with numpy
    #[arg(long)]
    python: Option<PathBuf>,
    /// Number of threads of the peer
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Number of turns of each program
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Device of isogloss
    #[arg(long, default_value = "flex")]
    device: DeviceChoice,
}

const TASKS: [&str; 2] = ["cosine", "margin"];

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> anyhow::Result<()> {
    isogloss::tune_allocator();
    let args = Args::parse();
    let device = open(args.device)?.device;
    let folder = tempfile::tempdir()?;
    let [left, right] = sides(args.vectors, args.width)?;
    write(&folder.path().join("left.f32"), &left)?;
    write(&folder.path().join("right.f32"), &right)?;

    let mut ours = [Vec::new(), Vec::new()];
    let mut theirs: Vec<Value> = Vec::new();
    let mut answers = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for (task, seconds) in ours.iter_mut().enumerate() {
            let began = Instant::now();
            let [forward, backward] = match task {
                0 => nearest_both_ways(&left, &right, 1, &device),
                _ => nearest_by_margin(&left, &right, 1, &device),
            };
            seconds.push(began.elapsed().as_secs_f64());
            answers[task] = [indices(&forward), indices(&backward)].concat();
        }
        if let Some(python) = &args.python {
            theirs.push(measure_peer(&args, python, folder.path())?);
        }
    }
    println!("{:<10}{:<10}{:>10}{:>10}{:>10}", "", "program", "seconds", "ratio", "agree");
    for (task, name) in TASKS.iter().enumerate() {
        let our_seconds = median(&ours[task]);
        println!("{name:<10}{:<10}{our_seconds:>10.3}", "isogloss");
        for peer in ["numpy", "faiss"] {
            let key = format!("{peer}_{name}");
            let seconds: Vec<f64> = theirs.iter().filter_map(|line| line[&key].as_f64()).collect();
            if seconds.is_empty() {
                continue;
            }
            let (seconds, agree) =
                (median(&seconds), agreement(folder.path(), &key, &answers[task])?);
            println!(
                "{:<10}{peer:<10}{seconds:>10.3}{:>9.2}×{:>9.2}%",
                "",
                seconds / our_seconds,
                100.0 * agree
            );
        }
    }
    Ok(())
}

/// Random unit vectors, and noisy copies of them.
fn sides(n: usize, width: usize) -> anyhow::Result<[Vectors; 2]> {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut draw = move || uniform(&mut state) - 0.5;
    let left: Vec<f32> = (0..n * width).map(|_| draw()).collect();
    let right: Vec<f32> = left.iter().map(|x| x + 4.0 * draw()).collect();
    Ok([Vectors::new(left, width)?.normalized(), Vectors::new(right, width)?.normalized()])
}

fn write(path: &Path, vectors: &Vectors) -> anyhow::Result<()> {
    let bytes: Vec<u8> = vectors.values().iter().flat_map(|x| x.to_le_bytes()).collect();
    Ok(std::fs::write(path, bytes)?)
}

fn indices(neighbors: &Neighbors) -> Vec<usize> {
    (0..neighbors.len()).filter_map(|query| Some(neighbors.first(query)?.0)).collect()
}

fn measure_peer(args: &Args, python: &Path, folder: &Path) -> anyhow::Result<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peer/search.py");
    let mut command = Command::new(python);
    command.arg(script).arg("--folder").arg(folder);
    command.arg("--width").arg(args.width.to_string());
    command.arg("--threads").arg(args.threads.to_string());
    run_peer(&mut command)
}

/// Share of equal answers of the peer and isogloss.
fn agreement(folder: &Path, key: &str, ours: &[usize]) -> anyhow::Result<f64> {
    let bytes = std::fs::read(folder.join(format!("{key}.i64")))?;
    let theirs = bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as usize);
    let n_equal = ours.iter().zip(theirs).filter(|(ours, theirs)| **ours == *theirs).count();
    Ok(n_equal as f64 / ours.len().max(1) as f64)
}
