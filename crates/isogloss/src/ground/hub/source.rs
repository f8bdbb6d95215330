//! What the user may write after `--model`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::HubError;

/// Where the files of a model are.
///
/// ```
/// use isogloss::hub::ModelSource;
///
/// let source: ModelSource = "intfloat/multilingual-e5-small@main".parse()?;
/// assert!(matches!(source, ModelSource::Hub { .. }));
/// assert!(matches!("./my/model".parse()?, ModelSource::Folder(_)));
/// # Ok::<(), isogloss::hub::HubError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A repository on the Hugging Face Hub.
    Hub {
        /// `owner/name`, or `name` alone for the oldest models.
        repo: String,
        /// Branch, tag or commit; `main` unless given.
        revision: String,
    },
}

impl FromStr for ModelSource {
    type Err = HubError;

    /// Reads `owner/name`, `owner/name@revision` or a path; an existing folder always wins.
    ///
    /// # Errors
    /// [`HubError::InvalidName`] when the text can be neither.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let path = Path::new(text);
        let says_path = path.is_absolute() || text.starts_with(['.', '/', '\\', '~']);
        if path.is_dir() || says_path {
            return Ok(Self::Folder(path.to_owned()));
        }
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let parts: Vec<&str> = repo.split('/').collect();
        if parts.len() > 2 && !text.contains('@') {
            return Ok(Self::Folder(path.to_owned()));
        }
        let named = parts.len() <= 2 && parts.iter().all(|part| is_plain(part));
        if !named || !revision.split('/').all(is_plain) {
            return Err(HubError::InvalidName { name: text.to_owned() });
        }
        Ok(Self::Hub { repo: repo.to_owned(), revision: revision.to_owned() })
    }
}

impl fmt::Display for ModelSource {
    /// Writes what [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Hub { repo, revision } if revision == "main" => f.write_str(repo),
            Self::Hub { repo, revision } => write!(f, "{repo}@{revision}"),
        }
    }
}

/// Whether `part` may be one component of a repository name, revision or path on disk.
pub(super) fn is_plain(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether `text` is a full commit id.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_apart() {
        let hub = |repo: &str, revision: &str| ModelSource::Hub {
            repo: repo.to_owned(),
            revision: revision.to_owned(),
        };
        let folder = |path: &str| ModelSource::Folder(PathBuf::from(path));
        let here = tempfile::tempdir().unwrap();
        let here = here.path().to_str().unwrap();
        for (text, expected) in [
            ("intfloat/multilingual-e5-small", hub("intfloat/multilingual-e5-small", "main")),
            ("xlm-roberta-base", hub("xlm-roberta-base", "main")),
            ("owner/name@v1.0", hub("owner/name", "v1.0")),
            ("owner/name@refs/pr/7", hub("owner/name", "refs/pr/7")),
            ("./x", folder("./x")),
            ("../x/y", folder("../x/y")),
            ("/abs/x", folder("/abs/x")),
            ("deep/er/folder", folder("deep/er/folder")),
            ("src", folder("src")),
            (here, folder(here)),
        ] {
            let found: ModelSource = text.parse().unwrap();
            assert_eq!(found, expected, "{text}");
            assert_eq!(found.to_string(), text);
        }
        for text in ["", "owner/", "/@main", "a b/c", "owner/name@", "owner/name@../../x", "o/n@-x"]
        {
            let parsed = text.parse::<ModelSource>();
            assert!(!matches!(parsed, Ok(ModelSource::Hub { .. })), "{text}: {parsed:?}");
        }
    }
}
