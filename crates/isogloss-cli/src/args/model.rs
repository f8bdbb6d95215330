//! Flags that many commands share: the model, the device, the hub, labeled files.

use std::path::PathBuf;

use clap::ValueHint;
use isogloss::device::DeviceChoice;
use isogloss::hub::HubOptions;
use isogloss::text::{Format, Unseen};

use super::value::{parse_format, parse_unseen};

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
    /// The base of a model that is adapters of peft or adapters: a folder or a hub name [default: what the adapters' folder says]
    #[arg(long, value_name = "MODEL")]
    pub(crate) base: Option<String>,
}

impl HubArgs {
    pub(crate) fn options(&self) -> HubOptions {
        HubOptions { cache_dir: self.cache.clone(), offline: self.offline, ..HubOptions::default() }
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
