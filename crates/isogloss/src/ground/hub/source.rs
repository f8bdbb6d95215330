//! Model source: the argument of `--model`, a local folder or a repository on the Hub.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::HubError;

/// Legacy model names on the Hub without an owner, of the supported model families.
const WITHOUT_OWNER: [&str; 22] = [
    "bert-base-cased",
    "bert-base-chinese",
    "bert-base-german-cased",
    "bert-base-german-dbmdz-cased",
    "bert-base-german-dbmdz-uncased",
    "bert-base-multilingual-cased",
    "bert-base-multilingual-uncased",
    "bert-base-uncased",
    "bert-large-cased",
    "bert-large-uncased",
    "distilbert-base-cased",
    "distilbert-base-german-cased",
    "distilbert-base-multilingual-cased",
    "distilbert-base-uncased",
    "roberta-base",
    "roberta-large",
    "xlm-roberta-base",
    "xlm-roberta-large",
    "xlm-roberta-large-finetuned-conll02-dutch",
    "xlm-roberta-large-finetuned-conll02-spanish",
    "xlm-roberta-large-finetuned-conll03-english",
    "xlm-roberta-large-finetuned-conll03-german",
];

/// Model source: a local folder, or a repository on the Hugging Face Hub.
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
        /// `owner/name`, or the name alone of one of the oldest models.
        repo: String,
        /// Branch, tag or commit; `main` unless given.
        revision: String,
    },
}

impl FromStr for ModelSource {
    type Err = HubError;

    /// Parses `owner/name`, `owner/name@revision` or a path; an existing folder takes precedence.
    ///
    /// # Errors
    /// [`HubError::InvalidName`] when the text can be neither, [`HubError::NotAFolder`] for a file,
    /// [`HubError::DanglingLink`] for a link to a folder that is not there.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let path = Path::new(text);
        let says_path = path.is_absolute() || text.starts_with(['.', '/', '\\', '~']);
        // Without a separator at the end, which would follow the link.
        let link = path.components().as_path();
        if let (false, Ok(target)) = (link.exists(), fs::read_link(link)) {
            return Err(HubError::DanglingLink { path: link.to_owned(), target });
        }
        if path.is_dir() || says_path {
            return Ok(Self::Folder(path.to_owned()));
        }
        if path.is_file() {
            return Err(HubError::NotAFolder { path: path.to_owned() });
        }
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let parts: Vec<&str> = repo.split('/').collect();
        if parts.len() > 2 && !text.contains('@') {
            return Ok(Self::Folder(path.to_owned()));
        }
        let named = match parts[..] {
            [owner, name] => is_plain(owner) && is_plain(name),
            [name] => WITHOUT_OWNER.contains(&name),
            _ => false,
        };
        if !named || !revision.split('/').all(is_plain) {
            return Err(HubError::InvalidName { name: text.to_owned() });
        }
        Ok(Self::Hub { repo: repo.to_owned(), revision: revision.to_owned() })
    }
}

impl fmt::Display for ModelSource {
    /// Writes the form that [`FromStr`] parses.
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

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_no_name_on_the_hub() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("best");
        std::os::unix::fs::symlink("moved/best", &link).unwrap();
        let name = link.to_str().unwrap();
        let expected = format!("{name}: a link to moved/best, where there is nothing");
        for text in [name.to_owned(), format!("{name}/")] {
            assert_eq!(text.parse::<ModelSource>().unwrap_err().to_string(), expected);
        }
        std::fs::create_dir_all(folder.path().join("moved/best")).unwrap();
        assert_eq!(name.parse::<ModelSource>().unwrap(), ModelSource::Folder(link));
    }

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
        // huggingface/transformers#3247, EleutherAI/lm-evaluation-harness#995 ("model"),
        // unitaryai/detoxify#99 ("None"): a folder that is not there, and the hub was asked.
        for text in ["nonexist", "nonexist@main", "model", "None", "best", "xlm-roberta"] {
            let message = text.parse::<ModelSource>().unwrap_err().to_string();
            assert!(message.contains("no such folder"), "{message}");
        }
        // predibase/lorax#51: a file of the folder.
        let message = "Cargo.toml".parse::<ModelSource>().unwrap_err().to_string();
        assert_eq!(message, "Cargo.toml: a file; expected the folder of a model");
        for text in ["", "owner/", "/@main", "a b/c", "owner/name@", "owner/name@../../x", "o/n@-x"]
        {
            let parsed = text.parse::<ModelSource>();
            assert!(!matches!(parsed, Ok(ModelSource::Hub { .. })), "{text}: {parsed:?}");
        }
    }
}
