//! Errors of writing a folder.

use std::path::PathBuf;

use super::adapter::AdapterError;

/// A model folder that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// A file or folder that cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An adapter that the model does not have.
    #[error("{}: {source}", path.display())]
    Adapter {
        /// The file that would say what it is made of.
        path: PathBuf,
        /// Which adapter.
        source: AdapterError,
    },
    /// A number that the chosen type cannot hold.
    #[error("{}: tensor \"{tensor}\": a number that {dtype} cannot hold", path.display())]
    Overflow {
        /// The weight file.
        path: PathBuf,
        /// The tensor's name there.
        tensor: String,
        /// The type.
        dtype: &'static str,
    },
}
