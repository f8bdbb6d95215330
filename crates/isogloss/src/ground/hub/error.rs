//! Errors of the Hugging Face Hub client.

use std::io;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::ApiError;

/// Error of resolving a model name to local files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The text is neither a folder nor a repository name.
    #[error(
        "model {name:?}: no such folder here, and no name on the hub, which is `owner/name` or \
         `owner/name@revision`"
    )]
    InvalidName {
        /// The text as given.
        name: String,
    },
    /// A file is named where the folder of a model is expected.
    #[error("{}: a file; expected the folder of a model", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link to a folder that is not there.
    #[error("{}: a link to {}, where there is nothing", path.display(), target.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// What it names.
        target: PathBuf,
    },
    /// The model folder does not exist.
    #[error("{}: no such folder", path.display())]
    NoSuchFolder {
        /// The folder as given.
        path: PathBuf,
    },
    /// No home directory is known and no cache directory is set.
    #[error("no place for downloaded models: set HF_HOME or HF_HUB_CACHE to a folder")]
    NoCacheDir,
    /// The repository is private or gated, or its name is wrong.
    #[error(
        "{endpoint} refuses access to {repo} (status {status}): {}",
        denied_advice(*token_given, endpoint, repo)
    )]
    Denied {
        /// The URL of the server.
        endpoint: String,
        /// `owner/name`.
        repo: String,
        /// 401 or 403.
        status: u16,
        /// Whether the request carried a token.
        token_given: bool,
    },
    /// Neither a local folder nor a repository has this name.
    #[error("{repo}: no such folder here and no such repository at {endpoint}")]
    RepoNotFound {
        /// `owner/name`.
        repo: String,
        /// The URL of the server.
        endpoint: String,
    },
    /// The repository exists, the revision does not.
    #[error("{repo}: no branch, tag or commit {revision:?} at {endpoint}")]
    RevisionNotFound {
        /// `owner/name`.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
        /// The URL of the server.
        endpoint: String,
    },
    /// The repository lacks a file that every model needs.
    #[error("{repo}@{revision}: no file {file} at {endpoint}")]
    MissingFile {
        /// `owner/name`.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
        /// The file, or the files of which one is needed.
        file: String,
        /// The URL of the server.
        endpoint: String,
    },
    /// Offline, and the cache does not hold the whole model.
    #[error(
        "{repo}@{revision}: offline, and {} lacks {}; \
         run once with a network and without HF_HUB_OFFLINE, \
         or put the files into a folder and give its path as the model",
        cache_dir.display(),
        missing.join(", ")
    )]
    NotCached {
        /// `owner/name`.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
        /// The cache that was searched.
        cache_dir: PathBuf,
        /// The files that are not there.
        missing: Vec<String>,
    },
    /// The server cannot be reached.
    #[error(
        "{endpoint} cannot be reached: {source}; \
         check the network, or set HF_ENDPOINT to a mirror"
    )]
    Unreachable {
        /// The URL of the server.
        endpoint: String,
        /// The connection error.
        source: Box<ApiError>,
    },
    /// An HTTP error status of the server that is not specific to this model.
    #[error("{url}: status {status}")]
    Status {
        /// The requested URL.
        url: String,
        /// HTTP status code.
        status: u16,
    },
    /// An unexpected response: the server is no model hub.
    #[error("{url}: not the answer of a model hub: {source}")]
    Protocol {
        /// The requested URL.
        url: String,
        /// The error of the response.
        source: Box<ApiError>,
    },
    /// The server names a commit that is not a hexadecimal id.
    #[error("{repo}: expected a commit id from {endpoint}, found {found:?}")]
    BadCommit {
        /// `owner/name`.
        repo: String,
        /// The URL of the server.
        endpoint: String,
        /// The commit id that the server sent.
        found: String,
    },
    /// The connection broke in every attempt; the partial file is kept, and resumed next time.
    #[error(
        "{url}: the download broke off after {received} of {expected} bytes; run again to go on"
    )]
    Interrupted {
        /// The requested URL.
        url: String,
        /// Bytes on disk so far.
        received: u64,
        /// Size of the file in bytes.
        expected: u64,
    },
    /// The disk of the cache is full.
    #[error("{}: no space left for downloaded models: {source}", path.display())]
    DiskFull {
        /// The cache directory.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// Another process is downloading the same file.
    #[error(
        "{}: another process is downloading this file; wait for it, then run again",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// An invalid index of weight shards.
    #[error("{}: {reason}", path.display())]
    BadIndex {
        /// The index file.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// A file of the cache cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
}

impl HubError {
    /// Classifies an I/O error at `path`.
    pub(super) fn from_io(source: io::Error, path: &Path) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}

fn denied_advice(token_given: bool, endpoint: &str, repo: &str) -> String {
    if token_given {
        format!(
            "the token does not allow reading it; accept its conditions at {endpoint}/{repo} \
             with the account of the token, or set HF_TOKEN to another one"
        )
    } else {
        format!(
            "the name is wrong, or it is private or gated; if it is, accept its conditions at \
             {endpoint}/{repo} and set HF_TOKEN to an access token"
        )
    }
}

/// The HTTP status of an error, if the server answered at all.
///
/// hf-hub does not re-export ureq, so its status error can only be recognized by its text; the
/// tests of this module fail when that text changes.
pub(super) fn status_of(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(error) => {
            error.to_string().strip_prefix("http status: ")?.parse().ok()
        }
        _ => None,
    }
}

/// Whether the connection broke while a body was being read.
pub(super) fn broke_off(error: &ApiError) -> bool {
    use io::ErrorKind as Kind;
    let kind = match error {
        ApiError::IoError(error) => error.kind(),
        _ => return false,
    };
    // `Other` is how ureq passes its own errors, such as a bad chunk, through `io::Read`.
    matches!(
        kind,
        Kind::UnexpectedEof
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::TimedOut
            | Kind::Other
    )
}
