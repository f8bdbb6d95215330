//! Path patterns: a path with `{language}` names one file for each language, `{split}` one for each split.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Language, TextError};

/// A path pattern: with the placeholder `{language}`, it names one file, or folder, for each language.
///
/// It may hold `{split}` and `{seed}` too, to be replaced before the language is.
///
/// ```
/// use isogloss_text::LanguagePattern;
///
/// let pattern = LanguagePattern::from("data/{language}.{split}.jsonl");
/// assert_eq!(pattern.with_split("dev").path(&"zh-CN".parse()?).to_str(), Some("data/zh-CN.dev.jsonl"));
/// assert_eq!(pattern.fault(), None);
///
/// let path = LanguagePattern::from("data/en.jsonl");
/// assert_eq!(path.fault(), Some("expected {language} where the language tag stands"));
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LanguagePattern(String);

impl LanguagePattern {
    /// The placeholder of the tag of a language.
    pub const LANGUAGE: &str = "{language}";

    /// The placeholder of the name of a split.
    pub const SPLIT: &str = "{split}";

    /// The placeholder of the seed of a run.
    pub const SEED: &str = "{seed}";

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the path holds `{language}`; without it, all languages would have one file.
    pub fn has_language(&self) -> bool {
        self.0.contains(Self::LANGUAGE)
    }

    /// Whether the path holds `{split}`.
    pub fn has_split(&self) -> bool {
        self.0.contains(Self::SPLIT)
    }

    /// The reason why the pattern cannot be used, if it lacks `{language}`.
    pub fn fault(&self) -> Option<&'static str> {
        (!self.has_language()).then_some("expected {language} where the language tag stands")
    }

    /// The pattern with the name of a split.
    #[must_use]
    pub fn with_split(&self, split: &str) -> Self {
        Self(self.0.replace(Self::SPLIT, split))
    }

    /// The pattern with a seed.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        Self(self.0.replace(Self::SEED, &seed.to_string()))
    }

    /// The file or folder of a language.
    pub fn path(&self, language: &Language) -> PathBuf {
        self.0.replace(Self::LANGUAGE, language.as_str()).into()
    }

    /// The languages that have a file on disk, sorted; empty where the folder cannot be read.
    ///
    /// ```
    /// use isogloss_text::LanguagePattern;
    ///
    /// assert!(LanguagePattern::from("no/such/en-{language}.tsv").languages_with_file().is_empty());
    /// ```
    pub fn languages_with_file(&self) -> Vec<Language> {
        // The files, or folders, that differ in the first part of the path with a language in it.
        let mut parts = Path::new(&self.0).components();
        let mut folder = PathBuf::new();
        let part = parts.by_ref().find_map(|part| {
            let name = part.as_os_str().to_str()?;
            let before_and_after = name.split_once(Self::LANGUAGE);
            if before_and_after.is_none() {
                folder.push(part);
            }
            before_and_after
        });
        if folder.as_os_str().is_empty() {
            folder.push(".");
        }
        let (Some((before, after)), Ok(entries)) = (part, std::fs::read_dir(folder)) else {
            return Vec::new();
        };
        let language = |name: &str| {
            let after = after.split(Self::LANGUAGE).next().unwrap_or_default();
            let rest = name.strip_prefix(before)?;
            let tag = if after.is_empty() { rest } else { rest.split_once(after)?.0 };
            let language: Language = tag.parse().ok()?;
            self.path(&language).is_file().then_some(language)
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut known: Vec<Language> = names.filter_map(|name| language(&name)).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// The file of a language, opened to be read, and its path.
    ///
    /// # Errors
    /// [`TextError::MissingLanguage`] names the languages that have a file where this one has none, [`TextError::Io`] tells why a file cannot be opened.
    pub(crate) fn open(&self, language: &Language) -> Result<(PathBuf, File), TextError> {
        let path = self.path(language);
        match File::open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(TextError::MissingLanguage {
                path,
                language: language.clone(),
                known: self.languages_with_file(),
            }),
            Err(source) => Err(TextError::Io { path, source }),
        }
    }
}

impl From<&str> for LanguagePattern {
    fn from(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }
}

impl From<String> for LanguagePattern {
    fn from(pattern: String) -> Self {
        Self(pattern)
    }
}

impl AsRef<Path> for LanguagePattern {
    fn as_ref(&self) -> &Path {
        self.0.as_ref()
    }
}

impl fmt::Display for LanguagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::LanguagePattern;
    use crate::Language;

    #[test]
    fn a_language_without_a_file_is_told_which_have_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "a\tb\n").unwrap();
        };
        for name in ["en-tr.txt", "en-zh-CN.txt", "en-fr.tsv", "tr/en.txt", "de/fr.txt"] {
            write(name);
        }
        let (german, turkish): (Language, Language) =
            ("de".parse().unwrap(), "tr".parse().unwrap());
        let root = folder.path().display();
        let pattern = |pattern: &str| LanguagePattern::from(format!("{root}/{pattern}"));
        let message = |path: &str| pattern(path).open(&german).unwrap_err().to_string();
        assert_eq!(
            message("en-{language}.txt"),
            format!("{root}/en-de.txt: no file for \"de\", only for \"tr\", \"zh-CN\"")
        );
        assert_eq!(
            message("{language}/en.txt"),
            format!("{root}/de/en.txt: no file for \"de\", only for \"tr\"")
        );
        assert_eq!(
            message("x/{language}"),
            format!("{root}/x/de: no file for \"de\", nor for any other language")
        );
        let (path, _) = pattern("en-{language}.txt").open(&turkish).unwrap();
        assert_eq!(path, folder.path().join("en-tr.txt"));
    }

    #[test]
    fn a_pattern_is_a_plain_string_in_a_file() {
        let pattern: LanguagePattern = serde_json::from_str("\"{language}/{seed}\"").unwrap();
        assert_eq!(pattern.with_seed(7).as_str(), "{language}/7");
        assert_eq!(serde_json::to_string(&pattern).unwrap(), "\"{language}/{seed}\"");
    }
}
