//! What can go wrong with a model folder or with the input of a model.

use std::fmt;
use std::path::PathBuf;

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
    /// A `config.json` or `adapter_config.json` that cannot be used.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A weight file that is damaged.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Tensors that are missing or do not fit, all of them.
    #[error("{}", join(faults))]
    Tensors {
        /// One entry a tensor.
        faults: Vec<LoadFault>,
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
    FoundSubnetwork {
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

/// An adapter that a model does not have, or cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// No adapter of this name.
    #[error("no adapter \"{name}\"{}", hint(nearest.as_deref()))]
    Unknown {
        /// The name looked for.
        name: String,
        /// The most similar name that is there.
        nearest: Option<String>,
    },
    /// A name that cannot be part of a parameter's path.
    #[error("adapter name \"{name}\": expected at least one character, and no dot")]
    Name {
        /// The name.
        name: String,
    },
    /// A field of a configuration that no adapter can have.
    #[error("field \"{field}\": {problem}")]
    Config {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A parallel adapter above or below another.
    #[error("adapter \"{name}\" is parallel: it cannot be stacked with others")]
    ParallelInStack {
        /// Its name.
        name: String,
    },
}

/// A model folder that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct SaveError {
    /// The file.
    pub path: PathBuf,
    /// The system's answer.
    pub source: std::io::Error,
}

/// Numbers that a model cannot take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Slices whose lengths do not agree.
    #[error("{field}: expected {expected} elements, found {found}")]
    Length {
        /// Which slice.
        field: &'static str,
        /// Elements needed.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// A token outside the vocabulary.
    #[error("token id {id} in row {row}, column {column}: the embedding has {vocab_size} rows")]
    TokenId {
        /// The token.
        id: i32,
        /// Its sentence.
        row: usize,
        /// Its place.
        column: usize,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// More tokens than positions.
    #[error("sequence of {found} tokens: the model has {max} positions")]
    TooLong {
        /// Tokens of the longest sentence.
        found: usize,
        /// Tokens that the model can take.
        max: usize,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", the nearest is \"{name}\"")).unwrap_or_default()
}

fn join(faults: &[impl fmt::Display]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
