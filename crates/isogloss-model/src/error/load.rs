//! Errors of reading a folder.

use std::fmt;
use std::path::PathBuf;

use super::adapter::AdapterError;
use super::config::ConfigError;
use super::nearest::hint;

/// A model folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file that cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A folder without any of the known weight files.
    #[error(
        "{}: no weights: expected model.safetensors, model.safetensors.index.json or pytorch_model.bin",
        path.display()
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// A folder without any of the weight files of an adapter.
    #[error("{}: no weights: expected {expected}", path.display())]
    NoAdapterWeights {
        /// The folder.
        path: PathBuf,
        /// The files looked for.
        expected: String,
    },
    /// A file that is no JSON, or not what it must be.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A `config.json` or `adapter_config.json` that cannot be used.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The field.
        source: ConfigError,
    },
    /// An adapter that the model cannot have.
    #[error("{}: {source}", path.display())]
    Adapter {
        /// The file that says what it is made of.
        path: PathBuf,
        /// Why.
        source: AdapterError,
    },
    /// A folder of adapters whose base is no folder on this machine.
    #[error(
        "{}: field \"{field}\": {}: name the base model with --base",
        path.display(),
        name.as_ref().map_or("it names no base model".to_owned(), |name| {
            format!("the base model {name:?} is no folder here")
        })
    )]
    BaseModelWanted {
        /// The adapter's configuration.
        path: PathBuf,
        /// The field that names the base.
        field: &'static str,
        /// What it says.
        name: Option<String>,
    },
    /// Adapters with a head that is not read.
    #[error(
        "{}: a head of the adapters library is not read: take the base's embeddings, or train a head",
        path.display()
    )]
    AdapterHead {
        /// Its configuration.
        path: PathBuf,
    },
    /// A folder of the `peft` library where one of the `adapters` library is expected.
    #[error("{}: a folder of the peft library, not of the adapters library", path.display())]
    PeftFolder {
        /// Its configuration.
        path: PathBuf,
    },
    /// A folder of another library where one of the `peft` library is expected.
    #[error("{}: no field \"peft_type\": not a folder of the peft library", path.display())]
    NoPeftFolder {
        /// Its configuration.
        path: PathBuf,
    },
    /// An adapter-only checkpoint whose base model is not where it says.
    #[error(
        "{}: the base model {name} is not in {} any more: put it there, or set \"base_folder\" to \
         where it is",
        path.display(), nor(folders)
    )]
    BaseModelGone {
        /// The file that says where.
        path: PathBuf,
        /// What the base model is called.
        name: String,
        /// Where it should be: from the checkpoint, and from the root.
        folders: Vec<PathBuf>,
    },
    /// An adapter-only checkpoint that is its own base, or the base of its base.
    #[error("{}: a base stands on another, and so on, without an end", path.display())]
    BaseModelCycle {
        /// The file that names the base.
        path: PathBuf,
    },
    /// A model to be pruned that has been pruned before.
    #[error("{}: the model is pruned already: take the whole one", path.display())]
    AlreadyPruned {
        /// Its configuration.
        path: PathBuf,
    },
    /// Rows of a vocabulary that give the padding token another number.
    #[error("{}: the padding token is number {pad_token_id}, and must stay so", path.display())]
    PaddingToken {
        /// The configuration.
        path: PathBuf,
        /// Its number.
        pad_token_id: u32,
    },
    /// A row that the vocabulary does not have.
    #[error("{}: token {token} is outside the vocabulary of {vocab_size}", path.display())]
    TokenId {
        /// The configuration.
        path: PathBuf,
        /// The row.
        token: u32,
        /// Rows of the vocabulary.
        vocab_size: usize,
    },
    /// A safetensors file whose header does not describe it.
    #[error("{}: {source}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: SafetensorsError,
    },
    /// A PyTorch file that cannot be unpickled.
    #[error("{}: {problem}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// The reader's answer.
        problem: String,
    },
    /// An index of several weight files without a list of them.
    #[error("{}: no object \"weight_map\"", path.display())]
    NoWeightMap {
        /// The index.
        path: PathBuf,
    },
    /// An index that puts a tensor anywhere but into a file beside it.
    #[error(
        "{}: tensor \"{tensor}\": expected the name of a file beside it, found {found}",
        path.display()
    )]
    ShardName {
        /// The index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What stands in place of a name.
        found: String,
    },
    /// A saved head that is to be taken as it is for what it is not.
    #[error("{}: expected {expected}, to be taken as it is, found {found}", path.display())]
    HeadKind {
        /// The configuration.
        path: PathBuf,
        /// The kind of head that is trained.
        expected: &'static str,
        /// The kind of head that was saved.
        found: &'static str,
    },
    /// A saved head that is to be taken as it is for other labels than its own.
    #[error(
        "{}: id2label: a head is taken as it is for the same labels alone{}{}",
        path.display(),
        listed("; of the model alone: ", only_saved),
        listed("; of the data alone: ", only_new)
    )]
    HeadLabels {
        /// The configuration.
        path: PathBuf,
        /// Labels of the saved head that are not learned.
        only_saved: Vec<String>,
        /// Labels to learn that the saved head lacks.
        only_new: Vec<String>,
    },
    /// Tensors that are missing or do not fit, all of them.
    #[error("{}", join(faults))]
    Tensors {
        /// One entry a tensor.
        faults: Vec<LoadFault>,
    },
}

/// A safetensors file whose header does not describe it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// Fewer bytes than say how long the header is.
    #[error("truncated: {found} bytes hold no header")]
    NoHeader {
        /// Bytes of the file.
        found: u64,
    },
    /// A header that is longer than the file.
    #[error("truncated: a header of {header} bytes in a file of {found}")]
    HeaderLength {
        /// Bytes of the header.
        header: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// A header that is no JSON object.
    #[error("header: {0}")]
    Header(serde_json::Error),
    /// An entry of the header that describes no tensor.
    #[error("tensor \"{tensor}\": {source}")]
    Entry {
        /// Its name.
        tensor: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A tensor that does not begin where the one before it ends.
    #[error("tensor \"{tensor}\": its bytes begin at {found}, those before it end at {expected}")]
    Gap {
        /// Its name.
        tensor: String,
        /// Where the one before it ends.
        expected: usize,
        /// Where it begins.
        found: usize,
    },
    /// A tensor that has more or fewer bytes than its shape needs.
    #[error("tensor \"{tensor}\": its bytes do not fit its shape")]
    TensorLength {
        /// Its name.
        tensor: String,
    },
    /// A file that ends before or after its last tensor.
    #[error("{}expected {expected} bytes, found {found}", if found < expected { "truncated: " } else { "" })]
    FileLength {
        /// Bytes that the header describes, itself included.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
}

/// One tensor that does not fit the model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFault {
    /// No tensor of this name.
    #[error("{}: no tensor \"{tensor}\"{}", path.display(), hint(nearest.as_deref()))]
    Missing {
        /// The weight file or folder.
        path: PathBuf,
        /// The name looked for.
        tensor: String,
        /// The most similar name that is there.
        nearest: Option<String>,
    },
    /// A tensor of another shape.
    #[error("{}: tensor \"{tensor}\": expected shape {expected:?}, found {found:?}", path.display())]
    Shape {
        /// The weight file.
        path: PathBuf,
        /// Its name there.
        tensor: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that is no float.
    #[error("{}: tensor \"{tensor}\": expected f32, f16 or bf16, found {found}", path.display())]
    DType {
        /// The weight file.
        path: PathBuf,
        /// Its name there.
        tensor: String,
        /// The type in the file.
        found: String,
    },
    /// A tensor that no parameter of the model takes.
    #[error("{}: tensor \"{tensor}\": the model has no place for it", path.display())]
    Unexpected {
        /// The weight file.
        path: PathBuf,
        /// Its name there.
        tensor: String,
    },
    /// A tensor of a part that the configuration says is gone.
    #[error("{}: tensor \"{tensor}\": config.json says that this is pruned", path.display())]
    Pruned {
        /// The weight file.
        path: PathBuf,
        /// Its name there.
        tensor: String,
    },
    /// A tensor whose bytes cannot be read.
    #[error("{}: tensor \"{tensor}\": {problem}", path.display())]
    Unreadable {
        /// The weight file.
        path: PathBuf,
        /// Its name there.
        tensor: String,
        /// What went wrong.
        problem: String,
    },
}

/// Names after what they are; nothing without any.
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
