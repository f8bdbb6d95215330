//! Flags of the commands that write a changed model: merge, prune, trim, compress.

use std::path::PathBuf;

use clap::ValueHint;
use isogloss::model::Storage;

use super::model::HubArgs;
use super::value::parse_storage;

#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// A model with adapters: a folder, such as runs/RECIPE/seed-42/best or one of peft, or a hub name
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) model: String,
    /// The folder to write, which any program that knows no adapters can read
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
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
