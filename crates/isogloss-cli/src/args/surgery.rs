//! CLI arguments of the commands that write a changed model: merge, prune, trim, compress.

use std::path::PathBuf;

use clap::ValueHint;
use isogloss::model::Storage;
use isogloss::text::Quoting;

use super::model::HubArgs;
use super::value::{parse_quoting, parse_storage};

#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// A model with adapters: a folder, such as runs/RECIPE/seed-42/best or one of peft, or a hub
    /// name
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) model: String,
    /// The new folder to write: a model without adapters, which any program can read
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    /// A model folder or hub name
    pub(crate) model: String,
    /// The subnetwork to keep: a file of `isogloss subnetwork`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) subnetwork: PathBuf,
    /// Texts whose hidden states are compared, read as `isogloss trim` does; without any, tokens
    /// are sampled
    #[arg(long, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) compare: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) fields: TextFieldArgs,
    /// Number of texts that are compared
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) check: usize,
    /// The new folder to write
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

/// Fields of the texts in JSON Lines files.
#[derive(Debug, clap::Args)]
pub(crate) struct TextFieldArgs {
    /// The field of the texts in JSON Lines files [default: as the model was trained, or text]
    #[arg(long, value_name = "FIELD")]
    pub(crate) text_column: Option<String>,
    /// The field of the second texts of pairs in JSON Lines files [default: as the model was
    /// trained, or none]
    #[arg(long, value_name = "FIELD")]
    pub(crate) pair_column: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TrimArgs {
    /// A model folder or hub name
    pub(crate) model: String,
    /// Texts whose tokens are kept: JSON Lines, CoNLL and CoNLL-U by their texts, TSV and CSV by
    /// their cells, other files by their lines
    #[arg(long, required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) corpus: Vec<PathBuf>,
    /// Other texts, to compare their tokenization before and after
    #[arg(long, num_args = 1.., value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) compare: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) fields: TextFieldArgs,
    /// Quoting in TSV and CSV files: minimal, as pandas writes them, or none, where quotes are text
    /// [default: minimal in CSV, in TSV as the whole file tells]
    #[arg(long, value_parser = parse_quoting)]
    pub(crate) quoting: Option<Quoting>,
    /// Maximum number of tokens to keep: the most frequent, each file counting alike
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Storage type of the weights: f32, f16 or int8
    #[arg(long, default_value = "f32", value_parser = parse_storage)]
    pub(crate) storage: Storage,
    /// Number of texts whose hidden states are compared with those of the whole model
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) check: usize,
    /// The new folder to write
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
    /// Storage type of the weights: f16, or int8, which only isogloss reads
    #[arg(long, value_parser = parse_storage)]
    pub(crate) storage: Storage,
    /// The new folder to write
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}
