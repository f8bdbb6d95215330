//! Hugging Face Hub client: model files by name, from a local folder or a repository on the Hub.
//!
//! [`ModelSource`] parses the argument of `--model`; [`ModelSource::resolve`] turns it into a
//! folder that holds `config.json`, `tokenizer.json` and the weights, and downloads the files that
//! the cache lacks. The cache has the layout of the Python library `huggingface_hub`, so both share
//! it. The files are not parsed here.

use std::env;
use std::path::PathBuf;

mod access;
mod download;
mod error;
mod files;
mod options;
mod source;
#[cfg(test)]
mod test_server;

use access::Access;
pub use error::HubError;
pub use options::{HubOptions, Progress};
pub use source::ModelSource;

impl ModelSource {
    /// Resolves a model source to a folder with the model files; downloads those the cache lacks.
    ///
    /// The files are `config.json`, `tokenizer.json` and the weights (`model.safetensors`, else
    /// `pytorch_model.bin`, whole or in shards), and if present `tokenizer_config.json`,
    /// `special_tokens_map.json` and the modules of sentence-transformers; for a repository of
    /// adapters, `adapter_config.json` and the adapter weights. The cached copy is used without a
    /// request when the revision is a full commit id, and when the server cannot be reached.
    ///
    /// # Errors
    /// Any [`HubError`]; its message says what to do.
    pub fn resolve(&self, options: &HubOptions) -> Result<PathBuf, HubError> {
        self.resolve_with_progress(options, &|_, _, _| ())
    }

    /// [`resolve`](Self::resolve) with a download progress callback.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_with_progress(
        &self,
        options: &HubOptions,
        progress: &Progress<'_>,
    ) -> Result<PathBuf, HubError> {
        match self {
            Self::Folder(path) if path.is_dir() => Ok(path.clone()),
            Self::Folder(path) if path.is_file() => {
                Err(HubError::NotAFolder { path: path.clone() })
            }
            Self::Folder(path) => Err(HubError::NoSuchFolder { path: path.clone() }),
            Self::Hub { repo, revision } => {
                Access::new(options, &|name| env::var_os(name))?.snapshot(repo, revision, progress)
            }
        }
    }
}

#[cfg(test)]
mod tests;
