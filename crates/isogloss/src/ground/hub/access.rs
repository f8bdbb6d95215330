//! Access to the Hub and its cache: resolved options, and the files of a revision.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use hf_hub::Cache;

use super::download::Downloader;
use super::error::HubError;
use super::files;
use super::options::{HubOptions, Progress};
use super::source::is_commit;

/// Resolved [`HubOptions`], with unset options filled in.
pub(super) struct Access {
    pub(super) cache_dir: PathBuf,
    pub(super) token: Option<String>,
    pub(super) endpoint: String,
    pub(super) offline: bool,
}

impl Access {
    /// Resolves options: fills unset ones from environment variables, then from defaults.
    pub(super) fn new(
        options: &HubOptions,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, HubError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let text = |name| set(name).and_then(|value| value.into_string().ok());
        let hf_home = set("HF_HOME").map(PathBuf::from).or_else(|| {
            let caches = set("XDG_CACHE_HOME").map(PathBuf::from);
            Some(caches.or_else(|| Some(env::home_dir()?.join(".cache")))?.join("huggingface"))
        });
        let cache_dir = options
            .cache_dir
            .clone()
            .or_else(|| set("HF_HUB_CACHE").map(PathBuf::from))
            .or_else(|| Some(hf_home.as_ref()?.join("hub")))
            .ok_or(HubError::NoCacheDir)?;
        let stored_token = || {
            let path = set("HF_TOKEN_PATH").map(PathBuf::from);
            let token = std::fs::read_to_string(path.or(Some(hf_home?.join("token")))?).ok()?;
            Some(token.trim().to_owned()).filter(|token| !token.is_empty())
        };
        let endpoint = options.endpoint.clone().or_else(|| text("HF_ENDPOINT"));
        let endpoint = endpoint.unwrap_or_else(|| "https://huggingface.co".to_owned());
        let says_offline = text("HF_HUB_OFFLINE").is_some_and(|value| {
            matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "yes" | "true")
        });
        Ok(Self {
            token: options.token.clone().or_else(|| text("HF_TOKEN")).or_else(stored_token),
            cache_dir,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            offline: options.offline || says_offline,
        })
    }

    /// The folder of a revision, downloaded if the cache lacks it.
    pub(super) fn snapshot(
        &self,
        repo: &str,
        revision: &str,
        progress: &Progress<'_>,
    ) -> Result<PathBuf, HubError> {
        let cache = Cache::new(self.cache_dir.clone());
        let cached = files::cached_snapshot(&cache, repo, revision);
        if self.offline {
            return cached.map_err(|missing| HubError::NotCached {
                repo: repo.to_owned(),
                revision: revision.to_owned(),
                cache_dir: self.cache_dir.clone(),
                missing,
            });
        }
        match cached {
            // A commit never changes, so the server is not asked.
            Ok(folder) if is_commit(revision) => Ok(folder),
            Ok(folder) => match self.downloader(repo, revision, cache)?.snapshot(progress) {
                Err(HubError::Unreachable { .. }) => Ok(folder),
                result => result,
            },
            Err(_) => self.downloader(repo, revision, cache)?.snapshot(progress),
        }
    }

    fn downloader(&self, repo: &str, revision: &str, cache: Cache) -> Result<Downloader, HubError> {
        Downloader::new(repo, revision, cache, &self.endpoint, self.token.clone())
    }
}
