//! Commands and flags.

mod alignment;
mod evaluation;
mod model;
mod recipe;
mod surgery;
mod training;
mod value;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};

pub(crate) use alignment::{AlignArgs, AlignmentArgs, EncodingArgs, RetrieveArgs};
pub(crate) use evaluation::{EvaluateArgs, FisherArgs, PredictArgs, SubnetworkArgs};
pub(crate) use model::{HubArgs, LabeledArgs, LanguageAdapterArgs, ModelArgs, ScoringArgs};
pub(crate) use recipe::RecipeArgs;
pub(crate) use surgery::{CompressArgs, MergeArgs, PruneArgs, TrimArgs};
pub(crate) use training::{FinetuneArgs, RunArgs, SweepArgs};

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
    /// Write a model with LoRA, or other adapters that can be merged, as a whole one
    Merge(MergeArgs),
    /// Write a subnetwork of a model as a smaller model
    Prune(PruneArgs),
    /// Leave out of a model's vocabulary what some texts do not need
    Trim(TrimArgs),
    /// Store a model in 16 or 8 bits a number
    Compress(CompressArgs),
    /// Describe a model: architecture, parameters, tokenizer, labels
    Inspect(InspectArgs),
    /// Write a recipe to start from, list the methods, or show a recipe with all of its defaults
    Recipe(RecipeArgs),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }
}
