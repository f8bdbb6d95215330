//! CLI arguments: subcommands and flags.

mod alignment;
mod data_file;
mod evaluation;
mod model;
mod recipe;
mod surgery;
mod training;
mod value;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};
use isogloss::device::DeviceChoice;
use isogloss::report::TableFormat;

pub(crate) use alignment::{AlignArgs, AlignmentArgs, EmbedArgs, EncodingOptions, RetrieveArgs};
pub(crate) use data_file::LanguageFile;
pub(crate) use evaluation::{
    CentringArgs, EvaluateArgs, FisherArgs, PredictArgs, SubnetworkArgs, WithoutCentring,
};
pub(crate) use model::{
    HubArgs, LabeledArgs, LanguageAdapterArgs, ModelArgs, ScoringArgs, open_device,
};
pub(crate) use recipe::RecipeArgs;
pub(crate) use surgery::{CompressArgs, MergeArgs, PruneArgs, TextFieldArgs, TrimArgs};
pub(crate) use training::{FinetuneArgs, RunArgs, SweepArgs};

use self::value::parse_table;
use crate::version::VERSION;

/// Fine-tune multilingual text encoders in one language, use them in others.
#[derive(Debug, Parser)]
#[command(name = "isogloss", version = VERSION.as_str(), about, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a project: a folder with recipes and a few lines of data in each format
    New(NewArgs),
    /// Fine-tune a model by a recipe, then evaluate it in every language
    Finetune(FinetuneArgs),
    /// Train several recipes with several seeds; finished runs are skipped
    Sweep(SweepArgs),
    /// Distill a model into a smaller student, by a recipe with [student]
    Distill(FinetuneArgs),
    /// Evaluate a finished model on labeled files
    Evaluate(EvaluateArgs),
    /// Predict the labels of texts with a finished model
    Predict(PredictArgs),
    /// Estimate the language centring of a finished model from unlabeled text, and store it with the
    /// model
    Centring(CentringArgs),
    /// Measure the Fisher information and the sharpness of a finished model
    Fisher(FisherArgs),
    /// Find the subnetwork of attention heads that each language needs in a finished model
    Subnetwork(SubnetworkArgs),
    /// Align the words of parallel texts
    Align(AlignArgs),
    /// Write the sentence embeddings of texts
    Embed(EmbedArgs),
    /// Find translations among sentences by the sentence embeddings of a model
    Retrieve(RetrieveArgs),
    /// Measure how well the layers of a model align languages, and how that correlates with
    /// transfer
    Alignment(AlignmentArgs),
    /// Merge LoRA, or other adapters that can be merged, into the weights of a model
    Merge(MergeArgs),
    /// Prune a model to a subnetwork, and write it as a smaller model
    Prune(PruneArgs),
    /// Trim a model's vocabulary to the tokens that a corpus needs
    Trim(TrimArgs),
    /// Compress a model: store its weights in 16 or 8 bits a number
    Compress(CompressArgs),
    /// Describe a model: architecture, parameters, tokenizer, labels
    Inspect(InspectArgs),
    /// Write a recipe template, list the methods, or show a recipe with all of its defaults
    Recipe(RecipeArgs),
    /// List the devices of this machine and build, or check one against the CPU
    Devices(DevicesArgs),
    /// Write an HTML report about runs
    Report(ReportArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether flags, and no recipe, say how data files are read.
    pub(crate) fn reads_by_flags(&self) -> bool {
        let of_a_model = matches!(
            self,
            Self::Evaluate(_) | Self::Predict(_) | Self::Fisher(_) | Self::Subnetwork(_)
        );
        let of_texts = matches!(
            self,
            Self::Align(_)
                | Self::Retrieve(_)
                | Self::Alignment(_)
                | Self::Trim(_)
                | Self::Prune(_)
        );
        of_a_model || of_texts
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    /// The folder, which is made; if there is one, it must be empty
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
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
    /// Check a device: compare its kernels and training steps with the CPU, and measure its speed
    #[arg(long)]
    pub(crate) check: bool,
    /// The device to check: auto, ndarray, vulkan[:n], metal[:n], dx12[:n], wgpu[:n], cuda[:n]
    /// [default: auto, the preferred GPU]
    #[arg(long, value_name = "NAME[:N]", requires = "check")]
    pub(crate) device: Option<DeviceChoice>,
    /// The JSON file of the check, to attach to a bug report
    #[arg(
        long, value_name = "FILE", default_value = "isogloss-check.json", requires = "check",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Run folders, or folders of runs
    #[arg(required = true, value_hint = ValueHint::DirPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// Print the scores by method and language for a paper, in place of the HTML file: markdown, latex
    /// (with booktabs) or csv
    #[arg(long, value_name = "FORMAT", conflicts_with = "out", value_parser = parse_table)]
    pub(crate) table: Option<TableFormat>,
    /// The HTML file to write
    #[arg(long, short, default_value = "report.html", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }
}
