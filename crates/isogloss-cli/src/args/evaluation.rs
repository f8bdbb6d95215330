//! CLI arguments of the commands that run a finished model: evaluate, predict, centring, fisher,
//! subnetwork.

use std::path::PathBuf;

use clap::ValueHint;
use isogloss::text::Language;
use isogloss::{CentringBy, FisherEstimator};

use super::data_file::DataFile;
use super::model::{LabeledArgs, LanguageAdapterArgs, ModelArgs, ScoringArgs};
use super::value::{
    parse_batch_size, parse_centring_by, parse_estimator, parse_radius, parse_share,
};

#[derive(Debug, clap::Args)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) labeled: LabeledArgs,
    /// The source languages, comma-separated, which the mean over the other languages leaves out
    /// [default: those of the model's run, else en, where it is one of several files]
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(crate) source: Vec<Language>,
    /// Use only this subnetwork of the model: a file of `isogloss subnetwork` [default: the one
    /// that each language used in the model's run]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) subnetwork: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) centring: WithoutCentring,
    /// Batch size, in examples
    #[arg(long, default_value_t = 64, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PredictArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The texts to predict; without any, each line of the standard input, an empty one too, gives
    /// one line of output. A parser reads CoNLL-U there, and writes it with its trees
    pub(crate) texts: Vec<String>,
    /// Each text is a pair, a tab between the two [default: as the model was trained]
    #[arg(long)]
    pub(crate) pairs: bool,
    #[command(flatten)]
    pub(crate) scoring: ScoringArgs,
    #[command(flatten)]
    pub(crate) adapter: LanguageAdapterArgs,
    /// The language of the texts: use the language adapter and the subnetwork that it had in the
    /// model's run, and its centring [default: the model as it is]
    #[arg(long, value_name = "TAG")]
    pub(crate) language: Option<Language>,
    #[command(flatten)]
    pub(crate) centring: WithoutCentring,
    /// Batch size, in texts
    #[arg(long, default_value_t = 32, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
}

/// Whether the language centring that is stored with a model is left out.
#[derive(Debug, clap::Args)]
pub(crate) struct WithoutCentring {
    /// Leave out the language centring that is stored with the model
    #[arg(long)]
    pub(crate) no_centring: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CentringArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Files with one text on each line, without labels, each named after its language, as in de.txt,
    /// or given with it, as in de=german.txt
    #[arg(required = true, value_name = "[TAG=]FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<DataFile>,
    /// The source languages, onto which the others are moved; they have a file too
    #[arg(long, value_name = "TAG,...", value_delimiter = ',', required = true)]
    pub(crate) source: Vec<Language>,
    /// What is aligned: mean, or mean-and-deviation of each feature
    #[arg(long, default_value = "mean", value_parser = parse_centring_by)]
    pub(crate) by: CentringBy,
    /// Maximum number of texts of each language, spread evenly over its file [default: all]
    #[arg(long, value_name = "N", value_parser = parse_batch_size)]
    pub(crate) limit: Option<usize>,
    /// Batch size, in texts
    #[arg(long, default_value_t = 32, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FisherArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) labeled: LabeledArgs,
    /// Estimator of the Fisher information, by its labels: sampled, empirical or exact
    #[arg(long, default_value = "sampled", value_parser = parse_estimator)]
    pub(crate) estimator: FisherEstimator,
    /// Number of examples of each file, sampled by the seed; 0 for all
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) examples: usize,
    /// Batch size in examples, for sampled labels
    #[arg(long, default_value_t = 32, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
    /// Radius of the sharpness, in parameter space; 0 measures no sharpness
    #[arg(long, default_value_t = 0.05, value_parser = parse_radius)]
    pub(crate) radius: f64,
    /// Number of random directions of the sharpness
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) directions: usize,
    /// Seed of examples, labels and directions
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SubnetworkArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) labeled: LabeledArgs,
    /// The split of the same files that head importance is estimated on; --split is the one that is
    /// scored
    #[arg(long, value_name = "SPLIT")]
    pub(crate) importance_split: Option<String>,
    /// Minimum score of a subnetwork, as a share of the whole model's score
    #[arg(long, default_value_t = 0.95, value_parser = parse_share)]
    pub(crate) threshold: f64,
    /// Share of all heads that is pruned in each round
    #[arg(long, default_value_t = 0.1, value_parser = parse_share)]
    pub(crate) share: f64,
    /// Prune a feed-forward block in each round too
    #[arg(long)]
    pub(crate) feed_forward: bool,
    /// Batch size, in examples
    #[arg(long, default_value_t = 16, value_parser = parse_batch_size)]
    pub(crate) batch_size: usize,
    /// The folder to write the subnetworks to, a file for each language
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
}
