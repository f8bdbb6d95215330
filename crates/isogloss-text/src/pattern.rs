//! Path patterns: a path with `{language}` names one file for each language, `{split}` one for each
//! split.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Language, TagFault, TextError};

/// A path pattern: with the placeholder `{language}`, it names one file, or folder, for each
/// language.
///
/// It may also contain `{split}`, `{seed}` and `{source}`, which are replaced before the language.
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
    /// The placeholder of the language tag.
    pub const LANGUAGE: &str = "{language}";

    /// The placeholder of the tag of a source language.
    pub const SOURCE: &str = "{source}";

    /// The placeholder of the split name.
    pub const SPLIT: &str = "{split}";

    /// The placeholder of the seed of a run.
    pub const SEED: &str = "{seed}";

    /// The pattern as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the path contains `{language}`; without it, all languages would have the same file.
    pub fn has_language(&self) -> bool {
        self.0.contains(Self::LANGUAGE)
    }

    /// Whether the path contains `{source}`; without it, all sources would have the same files.
    pub fn has_source(&self) -> bool {
        self.0.contains(Self::SOURCE)
    }

    /// Whether the path contains `{split}`.
    pub fn has_split(&self) -> bool {
        self.0.contains(Self::SPLIT)
    }

    /// Validates the pattern: the reason why it is invalid, if it lacks `{language}`.
    pub fn fault(&self) -> Option<&'static str> {
        (!self.has_language()).then_some("expected {language} where the language tag stands")
    }

    /// Replaces `{source}` by the tag of a source language.
    #[must_use]
    pub fn with_source(&self, source: &Language) -> Self {
        Self(self.0.replace(Self::SOURCE, source.as_str()))
    }

    /// Replaces `{split}` by the name of a split.
    #[must_use]
    pub fn with_split(&self, split: &str) -> Self {
        Self(self.0.replace(Self::SPLIT, split))
    }

    /// Replaces `{seed}` by a seed.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        Self(self.0.replace(Self::SEED, &seed.to_string()))
    }

    /// Replaces `{language}`: the path of the file or folder of a language.
    pub fn path(&self, language: &Language) -> PathBuf {
        self.0.replace(Self::LANGUAGE, language.as_str()).into()
    }

    /// Finds the file or folder of a language or, if it does not exist, that of the language which
    /// matches by BCP-47 fallback ([`Language::matches`]); returns the path of the language itself
    /// if there is no match.
    ///
    /// # Errors
    /// [`TextError::AmbiguousLanguage`] if several match.
    pub fn find(&self, language: &Language) -> Result<PathBuf, TextError> {
        let path = self.path(language);
        if path.exists() {
            return Ok(path);
        }
        let known = self.languages_with_file();
        match language.matches(&known)[..] {
            [] => Ok(path),
            [found] => Ok(self.path(found)),
            ref several => Err(TextError::AmbiguousLanguage {
                path,
                language: language.clone(),
                candidates: several.iter().copied().cloned().collect(),
            }),
        }
    }

    /// Lists the languages that have a file on disk, sorted; empty if the folder cannot be read.
    ///
    /// ```
    /// use isogloss_text::LanguagePattern;
    ///
    /// assert!(LanguagePattern::from("no/such/en-{language}.tsv").languages_with_file().is_empty());
    /// ```
    pub fn languages_with_file(&self) -> Vec<Language> {
        let tags = self.tags_with_file().into_iter();
        let mut known: Vec<Language> = tags
            .filter_map(|(_, tag)| tag.parse().ok().filter(|of: &Language| of.as_str() == tag))
            .collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// Lists the languages that have a file on disk; a file whose name resembles a language tag but
    /// is not a valid one is an error.
    ///
    /// # Errors
    /// [`TextError::LanguageSpelling`] for `pt-br.jsonl` and `zh_CN.jsonl`,
    /// [`TextError::InvalidLanguageInFileName`] for `test.jsonl` or `english.jsonl` beside `en.jsonl`; files
    /// such as `notes_2.jsonl` are ignored.
    pub fn all_languages(&self) -> Result<Vec<Language>, TextError> {
        for (path, tag) in self.tags_with_file() {
            if let Some(language) = spelled_otherwise(&tag) {
                let expected = self.path(&language);
                return Err(TextError::LanguageSpelling { path, expected });
            }
            if let Err(TextError::InvalidLanguage { tag, fault }) = tag.parse::<Language>()
                && fault != TagFault::Form
                && tag.len() > 1
                && !tag.starts_with(|c: char| c.is_ascii_digit())
            {
                return Err(TextError::InvalidLanguageInFileName { path, tag, fault });
            }
        }
        Ok(self.languages_with_file())
    }

    /// Glob of the pattern: the files on disk that match it with any text in place of `{language}`,
    /// sorted, with that text.
    fn tags_with_file(&self) -> Vec<(PathBuf, String)> {
        // Lists the files or folders that match the first path component with `{language}`.
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
        let with_tag = |name: &str| {
            let after = after.split(Self::LANGUAGE).next().unwrap_or_default();
            let rest = name.strip_prefix(before)?;
            let tag = if after.is_empty() { rest } else { rest.split_once(after)?.0 };
            // The path of a language has the canonical letter case of its tag.
            let canonical =
                tag.parse().map_or(tag.to_owned(), |language: Language| language.into());
            [canonical, tag.to_owned()].into_iter().find_map(|tag| {
                let path = PathBuf::from(self.0.replace(Self::LANGUAGE, &tag));
                path.is_file().then_some((path, tag))
            })
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut found: Vec<_> = names.filter_map(|name| with_tag(&name)).collect();
        found.sort_unstable();
        found
    }

    /// Opens the file of a language for reading, and returns its path too, see
    /// [`find`](Self::find).
    ///
    /// # Errors
    /// [`TextError::MissingLanguage`] if the language has no file, with the languages that have
    /// one, [`TextError::Io`] if the file cannot be opened.
    pub(crate) fn open(&self, language: &Language) -> Result<(PathBuf, File), TextError> {
        let path = self.find(language)?;
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

/// The language of a tag in another letter case, such as `pt-br`, or with `_`, as in `zh_CN`.
fn spelled_otherwise(tag: &str) -> Option<Language> {
    let has_region = tag.len() == 5 && tag.as_bytes()[2] == b'_';
    let tag_or_locale = if has_region { &tag.replace('_', "-") } else { tag };
    tag_or_locale.parse().ok().filter(|language: &Language| language.as_str() != tag)
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
    fn a_language_without_a_file_has_that_of_its_fallback() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        for name in ["en-zh.txt", "en-pt-BR.txt", "en-sr-Latn.txt", "en-sr-Cyrl.txt"] {
            std::fs::write(folder.path().join(name), "a\tb\n").unwrap();
        }
        let pattern = LanguagePattern::from(format!("{root}/en-{{language}}.txt"));
        let find = |tag: &str| pattern.find(&tag.parse().unwrap());
        for (tag, name) in
            [("zh-CN", "en-zh.txt"), ("pt", "en-pt-BR.txt"), ("pt-PT", "en-pt-PT.txt")]
        {
            assert_eq!(find(tag).unwrap(), folder.path().join(name));
        }
        assert_eq!(
            find("sr").unwrap_err().to_string(),
            format!(
                "{root}/en-sr.txt: no file for \"sr\", and several that it may be: \"sr-Cyrl\", \"sr-Latn\"; name one of them"
            )
        );
    }

    #[test]
    fn a_file_that_only_looks_like_that_of_a_language_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        let pattern = LanguagePattern::from(format!("{root}/{{language}}.txt"));
        let write = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        for name in ["en.txt", "zh-CN.txt", "notes_2.txt", "2019.txt", "a.txt", "en.tsv"] {
            write(name);
        }
        let languages: Vec<String> =
            pattern.all_languages().unwrap().into_iter().map(String::from).collect();
        assert_eq!(languages, ["en", "zh-CN"]);
        for name in ["test", "english", "de-train"] {
            write(&format!("{name}.txt"));
            let error = pattern.all_languages().unwrap_err().to_string();
            let start = format!("{root}/{name}.txt: {name:?} is not a language tag: ");
            assert!(error.starts_with(&start) && error.contains("list the languages"), "{error}");
            assert_eq!(pattern.languages_with_file().len(), 2);
            std::fs::remove_file(folder.path().join(format!("{name}.txt"))).unwrap();
        }
    }

    #[test]
    fn a_tag_in_another_spelling_is_told_with_the_name_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        let pattern = LanguagePattern::from(format!("{root}/{{language}}.txt"));
        std::fs::write(folder.path().join("en.txt"), "").unwrap();
        for (name, expected) in
            [("pt-br", "pt-BR"), ("sr-latn", "sr-Latn"), ("JA", "ja"), ("zh_CN", "zh-CN")]
        {
            let path = folder.path().join(format!("{name}.txt"));
            std::fs::write(&path, "").unwrap();
            let error = pattern.all_languages().unwrap_err().to_string();
            let expected = format!("{root}/{expected}.txt");
            assert_eq!(
                error,
                format!(
                    "{}: rename it to {expected}, the form of its language tag",
                    path.display()
                )
            );
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_pattern_is_a_plain_string_in_a_file() {
        let pattern: LanguagePattern = serde_json::from_str("\"{language}/{seed}\"").unwrap();
        assert_eq!(pattern.with_seed(7).as_str(), "{language}/7");
        assert_eq!(serde_json::to_string(&pattern).unwrap(), "\"{language}/{seed}\"");
    }
}
