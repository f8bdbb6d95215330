//! Pruning benchmark: processor seconds of forward passes and training steps of a whole model, of
//! the same with a mask over its heads and feed-forward blocks, and of the model pruned to that
//! mask.
//!
//! ```text
//! cargo run --release --package isogloss-examples --example pruning -- \
//!     --model examples/isogloss-tiny
//! ```
//!
//! A step is forward with dropout, backward, clipping and AdamW (`lazy`). The three take turns, and
//! the shortest turn of each counts. The seconds are CPU time over all threads, which other work on
//! the machine disturbs less than wall-clock time; the latter is used where the system does not
//! tell. The pruned parts are random.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use clap::Parser;
use isogloss::device::{DeviceChoice, open};
use isogloss::methods::{AdamW, AdamWConfig, Gradients, Importance, Subnetwork};
use isogloss::model::{
    ForwardOptions, HeadChoice, Model, ModelInput, load, named_parameters, read_config,
};
use isogloss::{PruneOptions, prune, write_subnetwork};

#[derive(Parser)]
struct Args {
    /// The model folder
    #[arg(long, default_value = "examples/isogloss-tiny")]
    model: PathBuf,
    /// Batch size, in rows
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    /// Sequence length, in tokens
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// Number of turns, after one warmup turn
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// The device to compute on
    #[arg(long, default_value = "flex")]
    device: DeviceChoice,
}

fn main() -> anyhow::Result<()> {
    isogloss::tune_allocator();
    let args = Args::parse();
    let device = open(args.device)?.device;
    let (config, _) = read_config(&args.model)?;
    let (n_layers, n_heads) = (config.num_hidden_layers, config.num_attention_heads);
    let whole = Subnetwork::whole(n_layers, n_heads);
    let flat =
        Importance { heads: vec![vec![0.0; n_heads]; n_layers], feed_forward: vec![0.0; n_layers] };
    let without = |subnetwork: Subnetwork, share: f64, n_blocks: usize| {
        let n = (share * (n_layers * n_heads) as f64).round() as usize;
        let fewer = subnetwork.without_heads(&flat, n);
        (0..n_blocks).fold(fewer, |fewer, _| fewer.without_feed_forward(&flat)).random(7)
    };
    let half = n_layers / 2;
    println!(
        "processor seconds, least of {} turns, {} × {} tokens; ratios to the whole model",
        args.rounds, args.batch_size, args.tokens
    );
    println!("{:<28}{:>8}{:>26}{:>26}", "", "left of", "forward", "step");
    println!(
        "{:<28}{:>8}{}{}",
        "pruned",
        "layers",
        format_args!("{:>10}{:>8}{:>8}", "whole, s", "masked", "pruned"),
        format_args!("{:>10}{:>8}{:>8}", "whole, s", "masked", "pruned")
    );
    for (name, subnetwork) in [
        ("nothing", whole.clone()),
        ("25 % of heads", without(whole.clone(), 0.25, 0)),
        ("50 % of heads", without(whole.clone(), 0.5, 0)),
        ("75 % of heads", without(whole.clone(), 0.75, 0)),
        ("half the feed-forward", without(whole.clone(), 0.0, half)),
        ("half of both", without(whole.clone(), 0.5, half)),
    ] {
        let turns = Turns::new(&args, &subnetwork, &device)?;
        let [forward, step] = turns.time(&args);
        println!("{name:<28}{:>7.0}%{forward}{step}", 100.0 * turns.share);
    }
    Ok(())
}

/// The compared models, on a device with autodiff.
struct Turns {
    whole: Model,
    pruned: Model,
    mask: ForwardOptions,
    input: [ModelInput; 2],
    /// Share of the layers' parameters that is left after pruning.
    share: f64,
}

/// Seconds of the whole model, and the ratios of the masked and the pruned one.
struct Times([f64; 3]);

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [whole, masked, pruned] = self.0;
        write!(f, "{whole:>10.4}{masked:>8.3}{pruned:>8.3}")
    }
}

impl Turns {
    fn new(args: &Args, subnetwork: &Subnetwork, device: &Device) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (file, out) = (folder.path().join("part.toml"), folder.path().join("pruned"));
        write_subnetwork(&file, subnetwork)?;
        prune(&args.model, &file, None, PruneOptions { n_checked: 2 }, &out)?;
        let autodiff = device.clone().autodiff();
        let model = |folder: &Path| -> anyhow::Result<Model> {
            Ok(load(folder, &HeadChoice::Without, &autodiff)?.model)
        };
        let (whole, pruned) = (model(&args.model)?, model(&out)?);
        let n = |model: &Model| -> usize {
            let params = named_parameters(model).into_iter();
            let layers = params.filter(|param| param.path.contains(".layers."));
            layers.map(|param| param.shape.iter().product::<usize>()).sum()
        };
        let share = n(&pruned) as f64 / n(&whole) as f64;
        let config = whole.encoder.config();
        let n_tokens = args.batch_size * args.tokens;
        let others = config.vocab_size - config.pad_token_id as usize - 1;
        let ids: Vec<i32> = (0..n_tokens)
            .map(|at| (config.pad_token_id as usize + 1 + at * 7919 % others) as i32)
            .collect();
        let input = |device: &Device| {
            config.input(&ids, &vec![1; n_tokens], &vec![0; n_tokens], args.tokens, device)
        };
        let input = [input(device)?, input(&autodiff)?];
        let mask = ForwardOptions {
            subnetwork: Some(subnetwork.mask(&autodiff)),
            ..ForwardOptions::evaluation()
        };
        Ok(Self { whole, pruned, mask, input, share })
    }

    fn time(&self, args: &Args) -> [Times; 2] {
        let plain = ForwardOptions::evaluation();
        let variants = [(&self.whole, &plain), (&self.whole, &self.mask), (&self.pruned, &plain)];
        let mut evaluated = variants.map(|(model, pass)| {
            let (model, mut pass) = (model.valid(), pass.clone());
            if let Some(mask) = &mut pass.subnetwork {
                mask.heads = mask.heads.clone().inner();
                mask.feed_forward = mask.feed_forward.clone().inner();
            }
            move || {
                let states = model.encoder.forward(&self.input[0], &pass).last_hidden_state();
                black_box(states.sum().into_scalar::<f32>());
            }
        });
        let mut trained = variants.map(|(model, pass)| {
            let pass = ForwardOptions { dropout_seed: Some(5), ..pass.clone() };
            let mut optimizer = AdamW::new(AdamWConfig { lazy: true, ..AdamWConfig::default() });
            let mut model = Some(model.clone());
            move || {
                let taken = model.take().expect("it is put back at the end of each step");
                let states = taken.encoder.forward(&self.input[1], &pass).last_hidden_state();
                let gradients = Gradients::from_loss(&states.square().mean(), &taken);
                let (stepped, norm) = optimizer.step(taken, gradients, 1e-6);
                black_box(norm);
                model = Some(stepped);
            }
        });
        [turns(&mut evaluated, args.rounds), turns(&mut trained, args.rounds)]
    }
}

/// CPU time of all threads of this process, in seconds; `None` if the system is not Linux.
fn processor_secs() -> Option<f64> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let nanos = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    let nanos: u64 = nanos.sum();
    (nanos > 0).then_some(nanos as f64 * 1e-9)
}

fn turns(variants: &mut [impl FnMut(); 3], rounds: usize) -> Times {
    let mut fastest = [f64::INFINITY; 3];
    for round in 0..=rounds {
        for (variant, fastest) in variants.iter_mut().zip(&mut fastest) {
            let (start, clock) = (processor_secs(), Instant::now());
            variant();
            let clock = clock.elapsed().as_secs_f64();
            if round > 0 {
                let spent = start.zip(processor_secs()).map(|(start, end)| end - start);
                *fastest = fastest.min(spent.unwrap_or(clock));
            }
        }
    }
    let [whole, masked, pruned] = fastest;
    Times([whole, masked / whole, pruned / whole])
}
