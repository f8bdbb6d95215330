//! Commands and flags.

mod alignment;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueHint};
use isogloss::FisherEstimator;
use isogloss::device::DeviceChoice;
use isogloss::hub::HubOptions;
use isogloss::model::Storage;
use isogloss::text::{Format, Unseen};

pub(crate) use alignment::{AlignArgs, AlignmentArgs, EncodingArgs, RetrieveArgs};

/// Seeds stay below this, and so do sums of two of them below the largest integer of TOML, which
/// resolved recipes are written in.
const MAX_SEED: u64 = 1 << 62;

/// Fine-tune multilingual text encoders in one language, use them in others.
#[derive(Debug, Parser)]
#[command(name = "isogloss", version, about, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train as a recipe says, then score every language
    Finetune(FinetuneArgs),
    /// Train several recipes with several seeds; what is done is skipped
    Sweep(SweepArgs),
    /// Train a smaller student of a model, as a recipe with [student] says
    Distill(FinetuneArgs),
    /// Score a finished model on labeled files
    Evaluate(EvaluateArgs),
    /// Label texts with a finished model
    Predict(PredictArgs),
    /// Measure the Fisher information and the sharpness of a finished model
    Fisher(FisherArgs),
    /// Find the heads of a finished model that each language needs
    Subnetwork(SubnetworkArgs),
    /// Link the words of parallel texts
    Align(AlignArgs),
    /// Find translations among sentences by the vectors of a model
    Retrieve(RetrieveArgs),
    /// Measure how well the layers of a model align languages, and how that goes with transfer
    Alignment(AlignmentArgs),
    /// Write a model with LoRA as a whole one
    Merge(MergeArgs),
    /// Write a subnetwork of a model as a smaller model
    Prune(PruneArgs),
    /// Leave out of a model's vocabulary what some texts do not need
    Trim(TrimArgs),
    /// Store a model in 16 or 8 bits a number
    Compress(CompressArgs),
    /// Describe a model: architecture, parameters, tokenizer, labels
    Inspect(InspectArgs),
    /// List the devices of this machine and build
    Devices(DevicesArgs),
    /// Write one HTML file about runs
    Report(ReportArgs),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: auto, flex, ndarray, vulkan[:n], metal[:n], dx12[:n], wgpu[:n], cuda[:n]
    #[arg(long, default_value = "auto", value_name = "NAME[:N]")]
    pub(crate) device: DeviceChoice,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubArgs {
    /// Use only what the hub's cache holds
    #[arg(long)]
    pub(crate) offline: bool,
    /// The hub's cache [default: as HF_HOME or HF_HUB_CACHE say]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<PathBuf>,
}

impl HubArgs {
    pub(crate) fn options(&self) -> HubOptions {
        HubOptions { cache_dir: self.cache.clone(), offline: self.offline, ..HubOptions::default() }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct FinetuneArgs {
    /// The recipe
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) recipe: PathBuf,
    /// Start from this model instead of the recipe's: a folder, or owner/name[@revision] on the hub
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Use this seed instead of the recipe's
    #[arg(long, value_name = "SEED", value_parser = clap::value_parser!(u64).range(..MAX_SEED))]
    pub(crate) seed: Option<u64>,
    /// Train this many times, with seeds counting up
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..MAX_SEED))]
    pub(crate) seeds: u64,
    /// Begin again where an earlier run left files
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The folder of all runs; each has its own under <recipe>/seed-<seed>
    #[arg(long, default_value = "runs", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    /// The recipes
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub(crate) recipes: Vec<PathBuf>,
    /// Train each this many times, with seeds counting up from the recipe's
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..MAX_SEED))]
    pub(crate) seeds: u64,
    /// Do only part I of N of the work, for the jobs of a cluster
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub(crate) shard: Shard,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// A share of the work: number `index` of `count`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

impl Shard {
    /// Tells whether the piece of work number `n`, from 0, is of this share.
    pub(crate) fn has(self, n: usize) -> bool {
        n % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("expected I/N with I from 1 to N, such as 2/8".to_owned()),
        }
    }
}

/// A finished model and where it runs.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// A finished model: the `best` folder of a run, any Hugging Face folder, or a hub name
    pub(crate) model: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

/// Labeled files and how to read them.
#[derive(Debug, clap::Args)]
pub(crate) struct LabeledArgs {
    /// Labeled files, each named after its language: de.jsonl, zh-CN.tsv
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// How the files are written [default: as their extension says]
    #[arg(long, value_parser = parse_format)]
    pub(crate) format: Option<Format>,
    /// Take only the rows of this split
    #[arg(long)]
    pub(crate) split: Option<String>,
    /// What to do with labels that the model does not have: error, skip, or keep, which counts a parser's words with them as wrong
    #[arg(long, default_value = "error", value_parser = parse_unseen)]
    pub(crate) unseen: Unseen,
    /// Tokens after which a text is cut
    #[arg(long, default_value_t = 128)]
    pub(crate) max_length: usize,
    #[command(flatten)]
    pub(crate) language: LanguageAdapterArgs,
}

/// Which language adapter lies under the task's.
#[derive(Debug, clap::Args)]
pub(crate) struct LanguageAdapterArgs {
    /// Put this language adapter under the task's, in place of that of training: a folder, or none
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) language_adapter: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// A folder of a model with LoRA, such as runs/RECIPE/seed-42/best
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) model: PathBuf,
    /// The folder to write, which any program that knows no LoRA can read
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    /// A model folder or hub name
    pub(crate) model: String,
    /// The parts to keep: a file of `isogloss subnetwork`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) subnetwork: PathBuf,
    /// Texts to compare the hidden states of, as `isogloss trim` reads them; without any, tokens are drawn
    #[arg(long, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) compare: Vec<PathBuf>,
    /// How many texts are compared
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) check: usize,
    /// The folder to write
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TrimArgs {
    /// A model folder or hub name
    pub(crate) model: String,
    /// Texts to keep the pieces of: JSON Lines, CoNLL and CoNLL-U by their texts, TSV and CSV by their cells, other files by their lines
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) corpus: Vec<PathBuf>,
    /// Other texts, to be told how they would be cut
    #[arg(long, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) compare: Vec<PathBuf>,
    /// Keep at most this many pieces: the most frequent, each file counting alike
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// What the weights are stored as: f32, f16 or int8
    #[arg(long, default_value = "f32", value_parser = parse_storage)]
    pub(crate) storage: Storage,
    /// Texts whose hidden states are compared with those of the whole model
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) check: usize,
    /// The folder to write
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompressArgs {
    /// A model folder or hub name
    pub(crate) model: String,
    /// What the weights are stored as: f16, or int8, which only isogloss reads
    #[arg(long, value_parser = parse_storage)]
    pub(crate) storage: Storage,
    /// The folder to write
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) labeled: LabeledArgs,
    /// The language that the mean over the others leaves out
    #[arg(long, value_name = "TAG")]
    pub(crate) source: Option<String>,
    /// Use these parts of the model alone: a file of `isogloss subnetwork`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) subnetwork: Option<PathBuf>,
    /// Examples of one pass
    #[arg(long, default_value_t = 64, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PredictArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The texts; lines of the standard input if none is given. A parser reads CoNLL-U there, and writes it with its trees
    pub(crate) texts: Vec<String>,
    #[command(flatten)]
    pub(crate) language: LanguageAdapterArgs,
    /// Texts of one pass
    #[arg(long, default_value_t = 32, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FisherArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) labeled: LabeledArgs,
    /// Labels that gradients are taken at: sampled, empirical or exact
    #[arg(long, default_value = "sampled", value_parser = parse_estimator)]
    pub(crate) estimator: FisherEstimator,
    /// Examples of each file, drawn from the seed; 0 for all
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) examples: usize,
    /// Examples of one pass, for sampled labels
    #[arg(long, default_value_t = 32, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
    /// The radius of sharpness in parameter space; 0 leaves it out
    #[arg(long, default_value_t = 0.05, value_parser = parse_radius)]
    pub(crate) radius: f64,
    /// Random directions of sharpness
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) directions: usize,
    /// Draws examples, labels and directions
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SubnetworkArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) labeled: LabeledArgs,
    /// The split of the same files that importances are taken on; --split is the one that is scored
    #[arg(long, value_name = "SPLIT")]
    pub(crate) importance_split: Option<String>,
    /// The least share of the whole model's score that is to be left
    #[arg(long, default_value_t = 0.95, value_parser = parse_share)]
    pub(crate) threshold: f64,
    /// The share of all heads that goes in each round
    #[arg(long, default_value_t = 0.1, value_parser = parse_share)]
    pub(crate) share: f64,
    /// Take a feed-forward block away in each round too
    #[arg(long)]
    pub(crate) feed_forward: bool,
    /// Examples of one pass
    #[arg(long, default_value_t = 16, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
    /// The folder of the subnetworks, a file for each language
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// A model folder or hub name
    pub(crate) model: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Run folders, or folders of runs
    #[arg(required = true, value_hint = ValueHint::DirPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// The file to write
    #[arg(long, short, default_value = "report.html", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
}

fn parse_format(text: &str) -> Result<Format, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "expected jsonl, tsv, csv, conll or conllu".to_owned())
}

fn parse_unseen(text: &str) -> Result<Unseen, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected error, skip or keep".to_owned())
}

fn parse_estimator(text: &str) -> Result<FisherEstimator, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "expected sampled, empirical or exact".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share in (0, 1]".to_owned()),
    }
}

fn parse_storage(text: &str) -> Result<Storage, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected f32, f16 or int8".to_owned())
}

fn parse_radius(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(radius) if radius.is_finite() && radius >= 0.0 => Ok(radius),
        _ => Err("expected zero or a positive number".to_owned()),
    }
}

pub(crate) fn parse_batch_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number from 1".to_owned()),
        Ok(size) => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn shards_share_the_work_without_rest() {
        let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].map(|s| s.parse().unwrap()).to_vec();
        for n in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.has(n)).count(), 1);
        }
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
