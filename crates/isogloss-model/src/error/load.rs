//! Load errors: errors of reading a model or adapter folder.

use std::fmt;
use std::path::PathBuf;

use super::adapter::AdapterError;
use super::config::ConfigError;
use super::weights::{LoadFault, SafetensorsError};

/// Load error: a model or adapter folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// I/O error of a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// Folder without model weights.
    #[error(
        "{}: no weights: expected model.safetensors, model.safetensors.index.json or pytorch_model.bin",
        path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// Folder without adapter weights.
    #[error("{}: no weights: expected {expected}", path.display())]
    NoAdapterWeights {
        /// The folder.
        path: PathBuf,
        /// The expected files.
        expected: String,
    },
    /// JSON file with a syntax error or an unexpected structure.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// Invalid `config.json` or `adapter_config.json`.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The error of the field.
        source: ConfigError,
    },
    /// Prediction head of the `adapters` library that is no task head here.
    #[error(
        "{}: {source}; such a head is not computed here, and isogloss finetune trains a new one on \
         this adapter",
        path.display()
    )]
    AdapterHead {
        /// The file.
        path: PathBuf,
        /// The error of the field.
        source: ConfigError,
    },
    /// Adapter that cannot be added to the model.
    #[error("{}: {source}", path.display())]
    Adapter {
        /// The adapter's configuration file.
        path: PathBuf,
        /// The adapter error.
        source: AdapterError,
    },
    /// Adapter folder whose base model is not a local folder.
    #[error(
        "{}: field \"{field}\": {}: name the base model with --base",
        path.display(),
        name.as_ref().map_or("it names no base model".to_owned(), |name| {
            format!("the base model {name:?} is no folder here")
        })
    )]
    BaseModelNotLocal {
        /// The adapter's configuration.
        path: PathBuf,
        /// The field with the name of the base model.
        field: &'static str,
        /// The name in that field.
        name: Option<String>,
    },
    /// Folder of the `adapters` library with a head or a fusion of adapters alone, and no model.
    #[error(
        "{}: a part of a model, saved by the adapters library, which is not read: a model is a folder \
         with config.json, or one with adapter_config.json and its base",
        path.display()
    )]
    NoModel {
        /// Its configuration.
        path: PathBuf,
    },
    /// Folder without a model, with named adapters in its folders.
    #[error("{}: no model; name one of its adapters: {}", path.display(), names.join(", "))]
    NamedAdapters {
        /// The folder.
        path: PathBuf,
        /// Its folders that hold an `adapter_config.json`, sorted.
        names: Vec<String>,
    },
    /// Folder of the `peft` library where a folder of the `adapters` library is expected.
    #[error("{}: a folder of the peft library, not of the adapters library", path.display())]
    PeftFolder {
        /// Its configuration.
        path: PathBuf,
    },
    /// Folder of another library where a folder of the `peft` library is expected.
    #[error("{}: no field \"peft_type\": not a folder of the peft library", path.display())]
    NotPeftFolder {
        /// Its configuration.
        path: PathBuf,
    },
    /// Adapter-only checkpoint whose base model is not found.
    #[error(
        "{}: the base model {name} is not in {} any more: put it there, name it with --base, or set \
         \"base_folder\" to where it is",
        path.display(), nor(folders)
    )]
    BaseModelNotFound {
        /// The file that names the folder of the base model.
        path: PathBuf,
        /// Name of the base model.
        name: String,
        /// The folders searched: relative to the checkpoint, and absolute.
        folders: Vec<PathBuf>,
    },
    /// Base model with other weights, configuration or tokenizer than the adapters were trained on.
    #[error(
        "{}: the adapters were trained on another {file} of the base model {name} than that in {}: put the \
         right one there, or name a base with --base, which is taken as it is",
        path.display(),
        base.display()
    )]
    OtherBase {
        /// The index of the adapters, with the fingerprints of the files.
        path: PathBuf,
        /// The folder of the base model.
        base: PathBuf,
        /// The name of the base model.
        name: String,
        /// The file that differs.
        file: String,
    },
    /// Cycle of base models: an adapter-only checkpoint is its own base, or the base of its base.
    #[error("{}: a base stands on another, and so on, without an end", path.display())]
    BaseModelCycle {
        /// The file that names the base model.
        path: PathBuf,
    },
    /// Adapters whose base model has adapters of the same names, which they would replace.
    #[error(
        "{}: the base model {} has an adapter {name:?} too, which this one would replace: take a base \
         without it; `isogloss merge` makes one of LoRA and (IA)³",
        path.display(), base.display()
    )]
    AdapterInBase {
        /// The file that names the adapter or its base model.
        path: PathBuf,
        /// The folder of the base model.
        base: PathBuf,
        /// The name of the adapter.
        name: String,
    },
    /// Model to prune that is already pruned.
    #[error("{}: the model is pruned already: take the whole one", path.display())]
    AlreadyPruned {
        /// Its configuration.
        path: PathBuf,
    },
    /// Vocabulary rows that change the ID of the padding token.
    #[error("{}: the padding token is number {pad_token_id}, and must stay so", path.display())]
    PaddingToken {
        /// Its configuration.
        path: PathBuf,
        /// ID of the padding token.
        pad_token_id: u32,
    },
    /// Token ID out of the vocabulary.
    #[error("{}: token {token} is outside the vocabulary of {vocab_size}", path.display())]
    TokenId {
        /// Its configuration.
        path: PathBuf,
        /// Token ID.
        token: u32,
        /// Vocabulary size.
        vocab_size: usize,
    },
    /// Invalid safetensors file: a corrupt header, or a header that does not match the data.
    #[error("{}: {source}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The format error.
        source: SafetensorsError,
    },
    /// PyTorch weight file that cannot be unpickled.
    #[error("{}: {problem}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Error of the unpickler.
        problem: String,
    },
    /// Index of sharded weights without a `weight_map`.
    #[error("{}: no object \"weight_map\"", path.display())]
    NoWeightMap {
        /// The index.
        path: PathBuf,
    },
    /// Index of sharded weights with an invalid file name; shards must be in the same folder.
    #[error(
        "{}: tensor \"{tensor}\": expected the name of a file beside it, found {found}",
        path.display()
    )]
    ShardName {
        /// The index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The value in place of a file name.
        found: String,
    },
    /// Saved task head of another kind than required for use without training.
    #[error("{}: expected {expected}, to be taken as it is, found {found}", path.display())]
    HeadKind {
        /// Its configuration.
        path: PathBuf,
        /// The required kind of head.
        expected: &'static str,
        /// The saved kind of head.
        found: &'static str,
    },
    /// Saved task head with other labels than required for use without training.
    #[error(
        "{}: id2label: a head is taken as it is for the same labels alone{}{}",
        path.display(),
        listed("; of the model alone: ", only_saved),
        listed("; of the data alone: ", only_new)
    )]
    HeadLabels {
        /// Its configuration.
        path: PathBuf,
        /// Labels of the saved head that the task lacks.
        only_saved: Vec<String>,
        /// Labels of the task that the saved head lacks.
        only_new: Vec<String>,
    },
    /// All tensors that are missing or do not fit.
    #[error("{}", join(faults))]
    Tensors {
        /// One entry per tensor.
        faults: Vec<LoadFault>,
    },
}

/// Formats a labelled list of names for a message; empty if there are none.
fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("{what}{}", names.join(", "))
}

fn join(faults: &[impl fmt::Display]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn nor(folders: &[PathBuf]) -> String {
    let folders = folders.iter().map(|folder| folder.display().to_string());
    folders.collect::<Vec<_>>().join(", nor in ")
}
