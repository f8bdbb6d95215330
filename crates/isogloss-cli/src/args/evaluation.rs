//! Flags of the commands that run a finished model over texts.

use std::path::PathBuf;

use clap::ValueHint;
use isogloss::FisherEstimator;

use super::model::{LabeledArgs, LanguageAdapterArgs, ModelArgs, ScoringArgs};
use super::value::{parse_batch_size, parse_estimator, parse_radius, parse_share};

#[derive(Debug, clap::Args)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) labeled: LabeledArgs,
    /// The language that the mean over the others leaves out
    #[arg(long, value_name = "TAG")]
    pub(crate) source: Option<String>,
    /// Use these parts of the model alone: a file of `isogloss subnetwork` [default: what each language used in the model's run]
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
    /// The texts; lines of the standard input if none is given, of which each has its answer, an empty one too. A parser reads CoNLL-U there, and writes it with its trees
    pub(crate) texts: Vec<String>,
    #[command(flatten)]
    pub(crate) scoring: ScoringArgs,
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
