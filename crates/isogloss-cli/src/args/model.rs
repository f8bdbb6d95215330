//! CLI arguments that many commands share: the model, the device, the hub, labeled files.

use std::path::PathBuf;

use clap::ValueHint;
use isogloss::device::{DeviceChoice, DeviceError, OpenDevice, Precision, open_with};
use isogloss::hub::HubOptions;
use isogloss::text::{Format, Quoting, TagScheme, TagUnits, Unseen};

use super::data_file::DataFile;
use super::value::{
    parse_format, parse_max_length, parse_quoting, parse_tag_scheme, parse_units, parse_unseen,
};

#[derive(Debug, clap::Args)]
pub(crate) struct DeviceArgs {
    /// The device to compute on: auto, flex, ndarray, vulkan[:n], metal[:n], dx12[:n], wgpu[:n],
    /// cuda[:n]
    #[arg(long, default_value = "auto", value_name = "NAME[:N]")]
    pub(crate) device: DeviceChoice,
    /// The precision of matrix products: f32, f16 or bf16, half precision on GPUs that have it;
    /// weights, sums and all else stay in f32
    #[arg(long, default_value = "f32")]
    pub(crate) precision: Precision,
    /// Refuse a device on which the same command can give other last digits another time: a GPU
    /// whose matrix products are tuned
    #[arg(long)]
    pub(crate) deterministic: bool,
}

impl DeviceArgs {
    /// Opens the device, and sets the precision.
    pub(crate) fn open(&self) -> Result<OpenDevice, DeviceError> {
        let device = open_device(self.device)?.with_precision(self.precision)?;
        if self.deterministic { device.deterministic() } else { Ok(device) }
    }
}

/// Opens a device; says on standard error which GPUs `auto` does not take, and why.
pub(crate) fn open_device(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    open_with(choice, &mut |error| eprintln!("--device auto leaves out a GPU: {error}"))
}

#[derive(Debug, clap::Args)]
pub(crate) struct HubArgs {
    /// Offline mode: use only what the hub's cache holds
    #[arg(long)]
    pub(crate) offline: bool,
    /// The hub's cache folder [default: as HF_HOME or HF_HUB_CACHE say]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<PathBuf>,
    /// The base model of a folder of adapters, of peft, adapters or a run: a folder or a hub name
    /// [default: the one that the adapters' folder names]
    #[arg(long, value_name = "MODEL")]
    pub(crate) base: Option<String>,
}

impl HubArgs {
    pub(crate) fn options(&self) -> HubOptions {
        HubOptions { cache_dir: self.cache.clone(), offline: self.offline, ..HubOptions::default() }
    }
}

/// A finished model and the device that it runs on.
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

/// Labeled files and their format.
#[derive(Debug, clap::Args)]
pub(crate) struct LabeledArgs {
    /// Labeled files, each named after its language, as in de.jsonl and zh-CN.test.tsv, or given with
    /// it, as in de=german/test.tsv
    #[arg(required = true, value_name = "[TAG=]FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<DataFile>,
    /// The format of the files: jsonl, tsv, csv, conll or conllu [default: by their extension]
    #[arg(long, value_parser = parse_format)]
    pub(crate) format: Option<Format>,
    /// Take only the rows of this split, where a column tells the splits [default: the test split,
    /// by its name in the model's run]
    #[arg(long)]
    pub(crate) split: Option<String>,
    /// Take the rows of all splits
    #[arg(long, conflicts_with = "split")]
    pub(crate) all_splits: bool,
    /// TSV and CSV files have no header: columns are named by their numbers, counted from 0
    #[arg(long)]
    pub(crate) no_header: bool,
    /// Quoting in TSV and CSV files: minimal, as pandas writes them, or none, where quotes are text
    /// [default: as the model was trained]
    #[arg(long, value_parser = parse_quoting)]
    pub(crate) quoting: Option<Quoting>,
    /// Tagging scheme of the spans: detect, bio, iob1, bioes, bilou, brackets, or io
    /// for bare types [default: as the model was trained]
    #[arg(long, value_parser = parse_tag_scheme)]
    pub(crate) tag_scheme: Option<TagScheme>,
    /// The field, column or column number of the word tags [default: as the model was trained, or
    /// as the file tells]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) tag_column: Option<String>,
    /// The field or column of the texts [default: as the model was trained]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text_column: Option<String>,
    /// The field or column of the second texts of pairs, "" for single texts [default: as the model
    /// was trained, or none]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) pair_column: Option<String>,
    /// The field or column of the class labels [default: as the model was trained]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label_column: Option<String>,
    /// The field or column of the splits [default: as the model was trained; without it, all rows
    /// are taken]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) split_column: Option<String>,
    /// The field or column of the spans of a text [default: as the model was trained]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) spans_column: Option<String>,
    /// Names of classes that are numbers in the files, in their order [default: as the model was
    /// trained, or its labels]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) label_names: Vec<String>,
    /// The number of the column of words, counted from 0 [default: as the model was trained]
    #[arg(long, value_name = "N")]
    pub(crate) word_column: Option<usize>,
    /// What to do with labels that the model does not have: error, skip, or keep, which counts a
    /// parser's words with them as wrong [default: as in the model's run, or else error]
    #[arg(long, value_parser = parse_unseen)]
    pub(crate) unseen: Option<Unseen>,
    #[command(flatten)]
    pub(crate) scoring: ScoringArgs,
    #[command(flatten)]
    pub(crate) language: LanguageAdapterArgs,
}

/// Scoring options, where they are to differ from those saved with the model.
#[derive(Debug, clap::Args)]
pub(crate) struct ScoringArgs {
    /// Maximum number of tokens of a text, truncated beyond [default: as in the model's run, or
    /// else as many as the model and its tokenizer take]
    #[arg(long, value_name = "TOKENS", value_parser = parse_max_length)]
    pub(crate) max_length: Option<usize>,
    /// Unit that carries a tag: word, its first subword, or subword [default: as in the model's
    /// run, or else word]
    #[arg(long, value_parser = parse_units)]
    pub(crate) units: Option<TagUnits>,
}

/// The language adapter below the task adapter.
#[derive(Debug, clap::Args)]
pub(crate) struct LanguageAdapterArgs {
    /// Stack the task adapter on this language adapter, for all texts: a folder, or none [default:
    /// as in the model's run]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) language_adapter: Option<PathBuf>,
}
