//! Benchmark of training steps and inference: isogloss and PyTorch in turn, and the ratio of their
//! speeds.
//!
//! ```text
//! cargo run --release --package isogloss-examples --example benchmark -- \
//!     --model corpora/models/multilingual-e5-small --data corpora/intents/en.jsonl
//! ```
//!
//! Each measurement is a process of its own, so that it has its own peak memory. The peer is
//! `examples/peer/bench.py`, run by `--python`, a Python with torch and transformers. Without
//! `--python` only isogloss is measured.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Context;
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use clap::Parser;
use isogloss::device::{DeviceChoice, Precision, open};
use isogloss::methods::{
    AdamW, AdamWConfig, CrossEntropyConfig, ObjectiveConfig, StepInput, TokenLeaves,
};
use isogloss::model::{
    ForwardOptions, HeadChoice, HeadSpec, Model, ModelInput, Pooling, RandomParams, load, presets,
};
use isogloss::text::{Content, Format, ReadOptions, TokenBatch, Tokenizer, read_file};
use isogloss_examples::{exit_code, median, run_peer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// The model to measure
    #[arg(long)]
    model: PathBuf,
    /// A JSONL file of texts, for batches of natural length
    #[arg(long)]
    data: PathBuf,
    /// Python interpreter with torch and transformers
    #[arg(long)]
    python: Option<PathBuf>,
    /// Number of measured steps, after two warmup steps
    #[arg(long, default_value_t = 6)]
    steps: usize,
    /// Number of turns of each program
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Device of isogloss
    #[arg(long, default_value = "flex")]
    device: DeviceChoice,
    /// Precision of isogloss's matrix products: f32, f16 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Device of PyTorch: cpu or cuda
    #[arg(long, default_value = "cpu")]
    torch_device: String,
    /// The same model after `isogloss trim`: measured beside PyTorch on the whole one, as is the
    /// lazy optimizer
    #[arg(long)]
    trimmed: Option<PathBuf>,
    /// Measure lengths and vocabularies instead of the main cases
    #[arg(long)]
    scale: bool,
    /// Measure training with a large vocabulary alone, random weights: with a sparse gradient of
    /// the embedding matrix, with a dense one, and with the lazy optimizer
    #[arg(long)]
    embeddings: bool,
    /// Number of layers of the models with random weights
    #[arg(long, default_value_t = 12)]
    layers: usize,
    /// Run the batches of a case twice and time only the second pass: on a GPU the first one
    /// compiles and tunes the kernels of every shape
    #[arg(long)]
    repeat: bool,
    /// Measure one case, given as JSON, and print its measurements (used by the program itself)
    #[arg(long, hide = true)]
    one: Option<String>,
}

/// Benchmark case; no `seq` stands for texts of natural length, `vocab` for random weights.
#[derive(Clone, Debug)]
struct Case {
    train: bool,
    batch: usize,
    seq: Option<usize>,
    vocab: Option<usize>,
    table: Table,
}

/// Embedding matrix of isogloss: whole, with a dense gradient, with the lazy optimizer, or trimmed;
/// PyTorch has the whole one, with a dense gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    Whole,
    Dense,
    Lazy,
    Trimmed,
}

impl Case {
    fn name(&self) -> String {
        let mode = if self.train { "train" } else { "infer" };
        let seq = self.seq.map_or("natural".to_owned(), |seq| seq.to_string());
        let vocab = self.vocab.map_or(String::new(), |vocab| format!(", vocabulary {vocab}"));
        let table = match self.table {
            Table::Whole => "",
            Table::Dense => ", dense gradient",
            Table::Lazy => ", lazy",
            Table::Trimmed => ", trimmed",
        };
        format!("{mode} {} × {seq}{vocab}{table}", self.batch)
    }

    fn to_json(&self) -> Value {
        json!({
            "train": self.train, "batch": self.batch, "seq": self.seq, "vocab": self.vocab,
            "table": self.table,
        })
    }

    fn from_json(text: &str) -> anyhow::Result<Self> {
        let json: Value = serde_json::from_str(text)?;
        let size = |name: &str| json[name].as_u64().map(|size| size as usize);
        Ok(Self {
            train: json["train"] == true,
            batch: size("batch").context("batch")?,
            seq: size("seq"),
            vocab: size("vocab"),
            table: serde_json::from_value(json["table"].clone())?,
        })
    }
}

fn cases(args: &Args) -> Vec<Case> {
    let case = |train, batch, seq| Case { train, batch, seq, vocab: None, table: Table::Whole };
    if args.trimmed.is_some() {
        let tables = [Table::Whole, Table::Lazy, Table::Trimmed];
        return tables.map(|table| Case { table, ..case(true, 32, None) }).to_vec();
    }
    let with_vocab = |vocab, table| {
        let case = case(true, 16, Some(128));
        Case { vocab: Some(vocab), table, ..case }
    };
    if args.embeddings {
        let tables = [Table::Whole, Table::Dense, Table::Lazy];
        let sizes = [(32, 16), (16, 128)].into_iter();
        let of_size = |(batch, seq)| {
            tables.map(|table| Case { batch, seq: Some(seq), ..with_vocab(250_000, table) })
        };
        return sizes.flat_map(of_size).collect();
    }
    if !args.scale {
        return vec![case(true, 16, Some(128)), case(true, 32, None), case(false, 32, Some(128))];
    }
    let lengths = [(64, 16), (32, 64), (8, 256), (4, 512)].map(|(b, s)| case(true, b, Some(s)));
    let vocabularies = [30_000, 250_000].map(|vocab| with_vocab(vocab, Table::Whole));
    lengths.into_iter().chain(vocabularies).collect()
}

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> anyhow::Result<()> {
    isogloss::tune_allocator();
    let args = Args::parse();
    if let Some(case) = &args.one {
        println!("{}", measure(&args, &Case::from_json(case)?)?);
        return Ok(());
    }
    println!(
        "{:<32}{:>12}{:>12}{:>9}{:>11}{:>11}",
        "", "isogloss", "PyTorch", "ratio", "isogloss", "PyTorch"
    );
    println!(
        "{:<32}{:>12}{:>12}{:>9}{:>11}{:>11}",
        "", "s / step", "s / step", "speed", "peak MB", "peak MB"
    );
    for case in cases(&args) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds {
            ours.push(measure_ours(&args, &case)?);
            if let Some(python) = &args.python {
                theirs.push(measure_peer(&args, python, &case)?);
            }
        }
        print_row(&case, &ours, &theirs);
    }
    Ok(())
}

/// Measurements of one case: seconds of each step, and peak memory.
struct Figures {
    seconds: Vec<f64>,
    peak_mb: f64,
}

fn print_row(case: &Case, ours: &[Figures], theirs: &[Figures]) {
    let seconds =
        |all: &[Figures]| median(&all.iter().flat_map(|f| f.seconds.clone()).collect::<Vec<_>>());
    let peak = |all: &[Figures]| all.iter().map(|f| f.peak_mb).fold(0.0, f64::max);
    let (our_seconds, our_peak) = (seconds(ours), peak(ours));
    print!("{:<32}{our_seconds:>12.3}", case.name());
    if theirs.is_empty() {
        println!("{:>12}{:>9}{our_peak:>11.0}{:>11}", "-", "-", "-");
        return;
    }
    let ratio = seconds(theirs) / our_seconds;
    println!("{:>12.3}{ratio:>8.2}×{our_peak:>11.0}{:>11.0}", seconds(theirs), peak(theirs));
}

fn measure_ours(args: &Args, case: &Case) -> anyhow::Result<Figures> {
    let mut command = Command::new(std::env::current_exe()?);
    let trimmed = args.trimmed.as_ref().filter(|_| case.table == Table::Trimmed);
    command.arg("--model").arg(trimmed.unwrap_or(&args.model)).arg("--data").arg(&args.data);
    command.arg("--steps").arg(args.steps.to_string());
    command.arg("--layers").arg(args.layers.to_string());
    command.arg("--device").arg(args.device.to_string());
    command.arg("--precision").arg(args.precision.to_string());
    if args.repeat {
        command.arg("--repeat");
    }
    figures(command.arg("--one").arg(case.to_json().to_string()).env("RAYON_NUM_THREADS", "2"))
}

fn measure_peer(args: &Args, python: &Path, case: &Case) -> anyhow::Result<Figures> {
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peer/bench.py"));
    command.arg("--model").arg(&args.model).arg("--data").arg(&args.data);
    command.args(["--mode", if case.train { "train" } else { "infer" }]);
    command.arg("--batch").arg(case.batch.to_string());
    match case.seq {
        Some(seq) => command.arg("--seq").arg(seq.to_string()),
        None => command.arg("--natural"),
    };
    if let Some(vocab) = case.vocab {
        command.arg("--vocab").arg(vocab.to_string());
        command.arg("--layers").arg(args.layers.to_string());
    }
    command.arg("--steps").arg(args.steps.to_string()).args(["--threads", "2"]);
    figures(command.arg("--torch-device").arg(&args.torch_device))
}

fn figures(command: &mut Command) -> anyhow::Result<Figures> {
    let json = run_peer(command)?;
    let seconds = json["secs_per_step"].as_array().context("secs_per_step")?;
    Ok(Figures {
        seconds: seconds.iter().filter_map(Value::as_f64).collect(),
        peak_mb: json["peak_rss_mb"].as_f64().unwrap_or(f64::NAN),
    })
}

const N_LABELS: usize = 42;
const N_WARMUP: usize = 2;

fn measure(args: &Args, case: &Case) -> anyhow::Result<Value> {
    let device = open(args.device)?.with_precision(args.precision)?.device;
    let device = if case.train { device.autodiff() } else { device };
    let labels = (0..N_LABELS).map(|label| label.to_string()).collect();
    let spec = HeadSpec::sequence(labels, Pooling::Mean);
    let mut model = match case.vocab {
        Some(vocab) => {
            let mut config = presets::multilingual_e5_small(vocab);
            config.num_hidden_layers = args.layers;
            Model::init(&config, Some(&spec), &mut RandomParams::new(1), &device)
        }
        None => load(&args.model, &HeadChoice::New { spec, seed: 1 }, &device)?.model,
    };
    let lazy = case.table == Table::Lazy;
    let mut optimizer = AdamW::new(AdamWConfig { lazy, ..AdamWConfig::default() });
    let objective = ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default()).init();
    let mut seconds = Vec::new();
    let mut warmup_seconds = Vec::new();
    let n_batches = if args.repeat { args.steps } else { N_WARMUP + args.steps };
    let n_warmup = if args.repeat { n_batches } else { N_WARMUP };
    let batches = batches(args, case, &model, n_batches)?;
    let n_passes = if args.repeat { 2 } else { 1 };
    let all = (0..n_passes).flat_map(|_| &batches);
    for (step, batch) in all.enumerate() {
        let began = Instant::now();
        let input = input(batch, &model, &device)?;
        if case.train {
            let ids = Some(&batch.input_ids).filter(|_| case.table != Table::Dense);
            let leaves = ids.and_then(|ids| TokenLeaves::for_input(&model.encoder, &input, ids));
            let input = match &leaves {
                Some(leaves) => input.with_embeddings(leaves.embeddings()[0].clone()),
                None => input,
            };
            let output = model.forward(&input, &ForwardOptions::training(step as u64));
            let targets = (0..batch.n).map(|i| (i % N_LABELS) as i32).collect::<Vec<_>>();
            let targets = TensorData::new(targets, [batch.n]);
            let targets = Some(Tensor::<1, Int>::from_data(targets, &device));
            let loss = objective.loss(&StepInput::original(output, targets))?;
            let gradients = TokenLeaves::gradients(leaves.as_ref(), loss.backward(), &[&model]);
            drop(loss);
            model = optimizer.step(model, gradients, 1e-5).0;
        } else {
            _ = model.valid().forward(&input, &ForwardOptions::evaluation()).logits.into_data();
        }
        device.sync()?;
        let timed = if step < n_warmup { &mut warmup_seconds } else { &mut seconds };
        timed.push(began.elapsed().as_secs_f64());
    }
    let memory = device.memory_pool_usage();
    let n_tokens: usize =
        batches.iter().flat_map(|batch| &batch.attention_mask).map(|real| usize::from(*real)).sum();
    Ok(json!({
        "secs_per_step": seconds,
        "warmup_secs": warmup_seconds,
        "peak_rss_mb": peak_rss_mb(),
        "device_mb": memory.map(|usage| usage.bytes_reserved as f64 / 1e6),
        "tokens": n_tokens,
    }))
}

/// Batches of random tokens at a fixed length, or of sentences at their natural length.
fn batches(args: &Args, case: &Case, model: &Model, n: usize) -> anyhow::Result<Vec<TokenBatch>> {
    let config = model.encoder.config();
    let Some(seq) = case.seq else {
        let tokenizer = Tokenizer::from_file(&args.model.join("tokenizer.json"))?;
        let examples = read_file(&args.data, &ReadOptions::new(Format::Jsonl))?;
        let texts: Vec<_> = examples
            .iter()
            .filter_map(|example| match &example.content {
                Content::Text { text, .. } => Some((text.as_str(), None)),
                Content::Words { .. } | Content::Tree(_) => None,
            })
            .take(n * case.batch)
            .collect();
        let encoded = tokenizer.encode_batch(&texts, 128)?;
        let rows: Vec<_> = encoded.iter().map(|encoded| encoded.ids.as_slice()).collect();
        let pad = config.pad_token_id;
        return Ok(rows.chunks(case.batch).map(|rows| TokenBatch::from_ids(rows, pad)).collect());
    };
    let token = |i: usize| (5 + i * 7919 % (config.vocab_size - 5)) as u32;
    Ok((0..n)
        .map(|batch| {
            let row = |row| (0..seq).map(|i| token((batch * case.batch + row) * seq + i)).collect();
            let rows: Vec<Vec<u32>> = (0..case.batch).map(row).collect();
            let rows: Vec<_> = rows.iter().map(Vec::as_slice).collect();
            TokenBatch::from_ids(&rows, config.pad_token_id)
        })
        .collect())
}

fn input(
    batch: &TokenBatch,
    model: &Model,
    device: &burn::tensor::Device,
) -> anyhow::Result<ModelInput> {
    let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
    let config = model.encoder.config();
    Ok(config.input(ids, &batch.attention_mask, types, batch.seq_len, device)?)
}

/// Peak resident memory so far, in MiB; NaN where the system does not tell.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}
