//! Flags that many commands share: the model, the device, the hub, labeled files.

use std::path::PathBuf;

use clap::ValueHint;
use isogloss::device::DeviceChoice;
use isogloss::hub::HubOptions;
use isogloss::text::{Format, Quoting, TagScheme, TagUnits, Unseen};

use super::value::{
    parse_format, parse_max_length, parse_quoting, parse_tag_scheme, parse_units, parse_unseen,
};

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
    /// What quotes mean in TSV and CSV files: minimal, as pandas writes them, or none, for text
    #[arg(long, default_value = "minimal", value_parser = parse_quoting)]
    pub(crate) quoting: Quoting,
    /// How the tags of words spell spans: detect, bio, iob1, bioes, bilou, or io for bare types
    #[arg(long, default_value = "detect", value_parser = parse_tag_scheme)]
    pub(crate) tag_scheme: TagScheme,
    /// The field, column or number of the tags of words [default: as the file tells]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) tag_column: Option<String>,
    /// The number of the column of words, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) word_column: usize,
    /// What to do with labels that the model does not have: error, skip, or keep, which counts a parser's words with them as wrong [default: as the model was scored by its run, or else error]
    #[arg(long, value_parser = parse_unseen)]
    pub(crate) unseen: Option<Unseen>,
    #[command(flatten)]
    pub(crate) scoring: ScoringArgs,
    #[command(flatten)]
    pub(crate) language: LanguageAdapterArgs,
}

/// How a model is scored, where that is to differ from what was saved with it.
#[derive(Debug, clap::Args)]
pub(crate) struct ScoringArgs {
    /// Tokens after which a text is cut [default: as the model was scored by its run, or else as many as it takes]
    #[arg(long, value_name = "TOKENS", value_parser = parse_max_length)]
    pub(crate) max_length: Option<usize>,
    /// What carries a tag: word, its first subword, or subword [default: as the model was scored by its run, or else word]
    #[arg(long, value_parser = parse_units)]
    pub(crate) units: Option<TagUnits>,
}

/// Which language adapter lies under the task's.
#[derive(Debug, clap::Args)]
pub(crate) struct LanguageAdapterArgs {
    /// Put this language adapter under the task's, in place of that of training: a folder, or none
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) language_adapter: Option<PathBuf>,
}
