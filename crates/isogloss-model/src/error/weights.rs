//! Errors in reading weight files, and their tensors.

use std::path::PathBuf;

use super::nearest::hint;

/// Invalid safetensors file: a corrupt header, or a header that does not match the data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// File too short for the length of the header.
    #[error("truncated: {found} bytes hold no header")]
    NoHeader {
        /// File size in bytes.
        found: u64,
    },
    /// Header longer than the file.
    #[error("truncated: a header of {header} bytes in a file of {found}")]
    HeaderLength {
        /// Header size in bytes.
        header: u64,
        /// File size in bytes.
        found: u64,
    },
    /// Header that is not a JSON object.
    #[error("header: {0}")]
    Header(serde_json::Error),
    /// Invalid entry of the header.
    #[error("tensor \"{tensor}\": {source}")]
    Entry {
        /// Name of the tensor.
        tensor: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// Tensor with a gap or an overlap before its bytes.
    #[error("tensor \"{tensor}\": its bytes begin at {found}, those before it end at {expected}")]
    Gap {
        /// Name of the tensor.
        tensor: String,
        /// End offset of the previous tensor.
        expected: usize,
        /// Start offset of this tensor.
        found: usize,
    },
    /// Tensor whose byte length does not match its shape.
    #[error("tensor \"{tensor}\": its bytes do not fit its shape")]
    TensorLength {
        /// Name of the tensor.
        tensor: String,
    },
    /// File size that does not match the header.
    #[error("{}expected {expected} bytes, found {found}", if found < expected { "truncated: " } else { "" })]
    FileLength {
        /// Bytes that the header describes, including the header.
        expected: u64,
        /// File size in bytes.
        found: u64,
    },
}

/// Load error of one tensor: missing, unexpected, of the wrong shape or dtype, pruned or
/// unreadable.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFault {
    /// Missing tensor.
    #[error("{}: no tensor \"{tensor}\"{}", path.display(), hint(nearest.as_deref()))]
    Missing {
        /// The weight file or folder.
        path: PathBuf,
        /// Name of the missing tensor.
        tensor: String,
        /// The most similar name in the file.
        nearest: Option<String>,
    },
    /// Tensor of the wrong shape.
    #[error("{}: tensor \"{tensor}\": expected shape {expected:?}, found {found:?}", path.display())]
    Shape {
        /// The weight file.
        path: PathBuf,
        /// Name of the tensor in the file.
        tensor: String,
        /// The shape by the configuration.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// Tensor of an unsupported dtype.
    #[error("{}: tensor \"{tensor}\": expected f32, f16 or bf16, found {found}", path.display())]
    DType {
        /// The weight file.
        path: PathBuf,
        /// Name of the tensor in the file.
        tensor: String,
        /// The dtype in the file.
        found: String,
    },
    /// Unexpected tensor, which is no parameter of the model.
    #[error("{}: tensor \"{tensor}\": the model has no place for it", path.display())]
    Unexpected {
        /// The weight file.
        path: PathBuf,
        /// Name of the tensor in the file.
        tensor: String,
    },
    /// Adapter of a task head or pooler, where adapters of encoder blocks are computed.
    #[error(
        "{}: tensor \"{tensor}\": adapters of the head and the pooler are not computed here; \
         merge_and_unload of peft puts them into the weights",
        path.display()
    )]
    AdaptedHead {
        /// The weight file.
        path: PathBuf,
        /// Name of the tensor in the file.
        tensor: String,
    },
    /// Tensor of a part that is pruned by the configuration.
    #[error("{}: tensor \"{tensor}\": config.json says that this is pruned", path.display())]
    Pruned {
        /// The weight file.
        path: PathBuf,
        /// Name of the tensor in the file.
        tensor: String,
    },
    /// Tensor that cannot be read from its file.
    #[error("{}: tensor \"{tensor}\": {problem}", path.display())]
    Unreadable {
        /// The weight file.
        path: PathBuf,
        /// Name of the tensor in the file.
        tensor: String,
        /// The error.
        problem: String,
    },
}
