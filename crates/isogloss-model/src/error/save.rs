//! Save errors: errors of writing a model or adapter folder.

use std::path::PathBuf;

use super::adapter::AdapterError;

/// Save error: a model or adapter folder cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// I/O error of a file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// Unknown adapter.
    #[error("{}: {source}", path.display())]
    Adapter {
        /// The adapter's configuration file.
        path: PathBuf,
        /// The adapter error.
        source: AdapterError,
    },
    /// Overflow: a value out of range of the chosen dtype.
    #[error("{}: tensor \"{tensor}\": a number that {dtype} cannot hold", path.display())]
    Overflow {
        /// The weight file.
        path: PathBuf,
        /// Name of the tensor in the file.
        tensor: String,
        /// The dtype.
        dtype: &'static str,
    },
}
