//! Downloads one revision of one repository into the cache.
//!
//! hf-hub transfers the bytes; this file pins the commit so that all files belong together, checks
//! every size, resumes interrupted downloads and classifies the errors.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo, Metadata};
use hf_hub::api::{self, sync};
use hf_hub::{Cache, Repo, RepoType};

use super::error::{HubError, broke_off, status_of};
use super::files;
use super::options::Progress;
use super::source::is_commit;

/// Download attempts per file; each resumes where the last one was interrupted.
const ATTEMPTS: usize = 3;

pub(super) struct Downloader {
    api: sync::Api,
    cache: Cache,
    repo: String,
    revision: String,
    endpoint: String,
    token_given: bool,
}

impl Downloader {
    pub(super) fn new(
        repo: &str,
        revision: &str,
        cache: Cache,
        endpoint: &str,
        token: Option<String>,
    ) -> Result<Self, HubError> {
        let token_given = token.is_some();
        let api = ApiBuilder::from_cache(cache.clone())
            .with_endpoint(endpoint.to_owned())
            .with_token(token)
            .with_progress(false)
            .build()
            .map_err(|source| HubError::Unreachable {
                endpoint: endpoint.to_owned(),
                source: Box::new(source),
            })?;
        Ok(Self {
            api,
            cache,
            repo: repo.to_owned(),
            revision: revision.to_owned(),
            endpoint: endpoint.to_owned(),
            token_given,
        })
    }

    /// Downloads the files that the cache lacks; the revision is recorded only when all files are
    /// there.
    pub(super) fn snapshot(&self, progress: &Progress<'_>) -> Result<PathBuf, HubError> {
        let info = self.info()?;
        let listed = info.siblings.iter().map(|file| file.rfilename.as_str());
        let listed: BTreeSet<&str> = listed.collect();
        let commit = Commit { downloader: self, id: &info.sha, listed, progress };

        let inner = match commit.listed.contains(files::MODULES) {
            true => files::encoder_folder(&commit.fetch(files::MODULES)?)?,
            false => String::new(),
        };
        let within = |file: &str| format!("{inner}{file}");
        let is_listed = |file: &str| commit.listed.contains(within(file).as_str());
        let needed = files::needed(is_listed);
        for file in needed.files {
            commit.fetch(&within(file))?;
        }
        for file in files::OPTIONAL {
            for file in BTreeSet::from([file.to_owned(), within(file)]) {
                if commit.listed.contains(file.as_str()) {
                    commit.fetch(&file)?;
                }
            }
        }
        for file in commit.listed.iter().filter(|file| files::is_of_module(file)) {
            commit.fetch(file)?;
        }
        let weights = needed.weights.iter().find(|file| is_listed(file));
        let weights = weights
            .ok_or_else(|| self.missing(&within("model.safetensors or pytorch_model.bin")))?;
        let weights_path = commit.fetch(&within(weights))?;
        if files::is_index(weights) {
            for shard in files::shards(&weights_path)? {
                commit.fetch(&within(&shard))?;
            }
        }

        let named = self.at(&self.revision);
        let cached = self.cache.repo(named.clone());
        // A shared cache may be read-only, so nothing is written that already exists.
        if files::cached_commit(&self.cache, &named).as_deref() != Some(&info.sha) {
            cached
                .create_ref(&info.sha)
                .map_err(|source| HubError::from_io(source, self.cache.path()))?;
        }
        Ok(cached.pointer_path(&info.sha))
    }

    fn info(&self) -> Result<api::RepoInfo, HubError> {
        let info = self.api.repo(self.at(&self.revision)).info();
        let info = info.map_err(|error| match status_of(&error) {
            Some(404) if self.api.repo(self.at("main")).info().is_ok() => {
                HubError::RevisionNotFound {
                    repo: self.repo.clone(),
                    revision: self.revision.clone(),
                    endpoint: self.endpoint.clone(),
                }
            }
            Some(404) => {
                HubError::RepoNotFound { repo: self.repo.clone(), endpoint: self.endpoint.clone() }
            }
            _ => self.sort(error, &format!("{}/api/models/{}", self.endpoint, self.repo)),
        })?;
        if !is_commit(&info.sha) {
            return Err(HubError::BadCommit {
                repo: self.repo.clone(),
                endpoint: self.endpoint.clone(),
                found: info.sha,
            });
        }
        Ok(info)
    }

    fn at(&self, revision: &str) -> Repo {
        Repo::with_revision(self.repo.clone(), RepoType::Model, revision.to_owned())
    }

    fn missing(&self, file: &str) -> HubError {
        HubError::MissingFile {
            repo: self.repo.clone(),
            revision: self.revision.clone(),
            file: file.to_owned(),
            endpoint: self.endpoint.clone(),
        }
    }

    fn sort(&self, error: ApiError, url: &str) -> HubError {
        match (status_of(&error), error) {
            (Some(status @ (401 | 403)), _) => HubError::Denied {
                endpoint: self.endpoint.clone(),
                repo: self.repo.clone(),
                status,
                token_given: self.token_given,
            },
            (Some(status), _) => HubError::Status { url: url.to_owned(), status },
            (None, ApiError::IoError(source)) => HubError::from_io(source, self.cache.path()),
            (None, ApiError::LockAcquisition(path)) => HubError::Locked { path },
            (None, error @ ApiError::RequestError(_))
                if !error.to_string().contains(": json: ") =>
            {
                HubError::Unreachable { endpoint: self.endpoint.clone(), source: Box::new(error) }
            }
            (None, error) => HubError::Protocol { url: url.to_owned(), source: Box::new(error) },
        }
    }
}

/// One commit of the repository: the files it lists and where they go.
struct Commit<'a> {
    downloader: &'a Downloader,
    id: &'a str,
    listed: BTreeSet<&'a str>,
    progress: &'a Progress<'a>,
}

impl Commit<'_> {
    fn fetch(&self, file: &str) -> Result<PathBuf, HubError> {
        if !self.listed.contains(file) {
            return Err(self.downloader.missing(file));
        }
        let repo = self.downloader.at(self.id);
        let target = self.downloader.cache.repo(repo.clone()).pointer_path(self.id).join(file);
        if target.is_file() {
            return Ok(target);
        }
        let remote = self.downloader.api.repo(repo);
        let mut result = self.try_fetch(&remote, file, &target);
        for _ in 1..ATTEMPTS {
            if !matches!(result, Err(HubError::Interrupted { .. })) {
                break;
            }
            result = self.try_fetch(&remote, file, &target);
        }
        result.map(|()| target)
    }

    fn try_fetch(&self, remote: &ApiRepo, file: &str, target: &Path) -> Result<(), HubError> {
        let url = remote.url(file);
        let sort = |error| match status_of(&error) {
            Some(404) => self.downloader.missing(file),
            _ => self.downloader.sort(error, &url),
        };
        let metadata = self.downloader.api.metadata(&url).map_err(sort)?;
        let expected = metadata.size() as u64;
        let blob = self.blob(&metadata);
        // The suffix that hf-hub gives unfinished downloads.
        let part = blob.with_extension("part");

        if size(&blob) == Some(expected) {
            let depth = file.matches('/').count();
            return link(&blob, target, depth).map_err(|source| HubError::from_io(source, target));
        }
        // hf-hub appends to an existing part and would request a range past the end.
        if size(&part).is_some_and(|received| received >= expected) {
            fs::remove_file(&part).map_err(|source| HubError::from_io(source, &part))?;
        }
        let meter = Meter { file, done: 0, total: expected, progress: self.progress };
        match remote.download_with_progress(file, meter) {
            Ok(_) if size(target) == Some(expected) => Ok(()),
            Ok(_) => {
                let received = size(target).unwrap_or(0);
                for wrong in [target, &blob] {
                    fs::remove_file(wrong).map_err(|source| HubError::from_io(source, wrong))?;
                }
                Err(HubError::Interrupted { url, received, expected })
            }
            Err(error) if broke_off(&error) => {
                Err(HubError::Interrupted { url, received: size(&part).unwrap_or(0), expected })
            }
            Err(error) => Err(sort(error)),
        }
    }

    fn blob(&self, metadata: &Metadata) -> PathBuf {
        self.downloader.cache.repo(self.downloader.at(self.id)).blob_path(metadata.etag())
    }
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// Links `target`, in `snapshots/<commit>/` or `depth` folders below it, to `blob`, in `blobs/`;
/// copies it where there are no symbolic links.
#[cfg_attr(not(unix), expect(unused_variables, reason = "only links have a depth"))]
fn link(blob: &Path, target: &Path, depth: usize) -> std::io::Result<()> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    #[cfg(unix)]
    {
        let name = blob.file_name().unwrap_or_default();
        let blobs = format!("{}blobs", "../".repeat(2 + depth));
        std::os::unix::fs::symlink(Path::new(&blobs).join(name), target)
    }
    #[cfg(not(unix))]
    {
        fs::copy(blob, target).map(|_| ())
    }
}

struct Meter<'a> {
    file: &'a str,
    done: u64,
    total: u64,
    progress: &'a Progress<'a>,
}

impl api::Progress for Meter<'_> {
    fn init(&mut self, size: usize, _file: &str) {
        self.done = 0;
        self.total = size as u64;
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        (self.progress)(self.file, self.done, self.total);
    }

    fn finish(&mut self) {}
}
