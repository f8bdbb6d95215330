//! Options of the Hugging Face Hub client.

use std::fmt;
use std::path::PathBuf;

/// Download progress callback: receives the file name, the bytes done and the bytes in total.
pub type Progress<'a> = dyn Fn(&str, u64, u64) + 'a;

/// Options of the Hugging Face Hub client: cache folder, access token, endpoint, offline mode.
///
/// An option that is not set is taken from the environment variables that `huggingface_hub` for
/// Python also reads, then from its defaults.
#[derive(Clone, Default)]
pub struct HubOptions {
    /// Cache folder; else `HF_HUB_CACHE`, `HF_HOME/hub`, `~/.cache/huggingface/hub`.
    pub cache_dir: Option<PathBuf>,
    /// Access token; else `HF_TOKEN`, or what `hf auth login` stored.
    pub token: Option<String>,
    /// Server; else `HF_ENDPOINT`, `https://huggingface.co`.
    pub endpoint: Option<String>,
    /// Offline mode: use only the cache; `HF_HUB_OFFLINE=1` does the same.
    pub offline: bool,
}

impl fmt::Debug for HubOptions {
    /// Keeps the token out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("cache_dir", &self.cache_dir)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("endpoint", &self.endpoint)
            .field("offline", &self.offline)
            .finish()
    }
}
