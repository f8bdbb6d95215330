//! Language adapters of a finished run (MAD-X): the folders where its model finds them.

use std::path::{Component, Path, PathBuf};

use isogloss_model::relative_path;
use isogloss_text::{Language, LanguagePattern};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::error::{io, json};

/// Language adapters (MAD-X) that a run exchanged to score languages other than the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedLanguageAdapter {
    /// The source language, whose adapter the model has.
    pub source: Language,
    /// The adapter folders; `None` if other languages were scored without a language adapter. In a
    /// model folder the path is relative to it if possible, so that a run that is moved together
    /// with its adapters finds them; once the model is read, it is the one that was found.
    pub path: Option<LanguagePattern>,
    /// The absolute path of these folders, so that a run that is moved alone finds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_absolute: Option<LanguagePattern>,
}

impl SavedLanguageAdapter {
    /// Language adapters in these folders, relative to the working folder.
    pub(crate) fn new(source: Language, path: Option<LanguagePattern>) -> Self {
        Self { source, path, path_absolute: None }
    }

    /// Reads the language adapters of a finished run from its model folder; `None` if the folder
    /// names none.
    pub(crate) fn read(model: &Path) -> Result<Option<Self>, Error> {
        let path = model.join("isogloss.json");
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        let index: Value = serde_json::from_slice(&bytes).map_err(json(&path))?;
        let saved = index["scoring"].get("language_adapter").cloned();
        let saved: Option<Self> =
            saved.map(serde_json::from_value).transpose().map_err(json(&path))?;
        Ok(saved.map(|saved| saved.found_from(model).without_detours()))
    }

    /// The same adapters, by a path that does not lead through other folders and back.
    fn without_detours(self) -> Self {
        let straight = |path: LanguagePattern| {
            let (folder, rest) = split(&path);
            let whole = folder.canonicalize().ok().map(|folder| folder.join(rest));
            whole.and_then(|whole| Some(LanguagePattern::from(whole.to_str()?))).unwrap_or(path)
        };
        Self { path: self.path.map(straight), ..self }
    }

    /// The same adapters, as they are written into a model folder.
    pub(crate) fn written_into(self, model: &Path) -> Self {
        let Some(path) = &self.path else { return self };
        let (folder, rest) = split(path);
        let join = |folder: PathBuf| {
            let joined = folder.join(&rest);
            Some(LanguagePattern::from(joined.to_str()?.replace('\\', "/").as_str()))
        };
        let absolute = std::path::absolute(&folder).ok().and_then(join);
        let relative = relative_path(model, &folder).and_then(join);
        let path = relative.or_else(|| absolute.clone()).or(self.path);
        Self { path, path_absolute: absolute, ..self }
    }

    /// The same adapters with the path where they are, as seen from a model folder: relative to it,
    /// the absolute path, or, as earlier versions wrote it, relative to the working folder.
    pub(crate) fn found_from(self, model: &Path) -> Self {
        let Some(path) = &self.path else { return self };
        let from_model = model.join(path.as_str()).to_str().map(LanguagePattern::from);
        let candidates = [from_model, self.path_absolute.clone(), Some(path.clone())];
        let candidates = || candidates.iter().flatten();
        let has_adapters = |path: &&LanguagePattern| {
            let file = format!("{}/adapter_config.json", path.as_str());
            !LanguagePattern::from(file).languages_with_file().is_empty()
        };
        let mut found = candidates().filter(has_adapters);
        let path = found.next().or_else(|| candidates().next()).cloned();
        Self { path, ..self }
    }
}

/// The folder before the first part of a pattern that stands for several paths, and the rest.
fn split(pattern: &LanguagePattern) -> (PathBuf, PathBuf) {
    let parts: Vec<Component<'_>> = Path::new(pattern.as_str()).components().collect();
    let is_fixed = |part: &&Component<'_>| {
        let part = part.as_os_str().to_string_lossy();
        !part.contains(LanguagePattern::LANGUAGE)
    };
    let n_fixed = parts.iter().take_while(is_fixed).count();
    let (folder, rest) = parts.split_at(n_fixed);
    let folder: PathBuf = folder.iter().collect();
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    (folder, rest.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_split_before_the_language() {
        let of = |pattern: &str| split(&LanguagePattern::from(pattern));
        let paths = |a: &str, b: &str| (PathBuf::from(a), PathBuf::from(b));
        assert_eq!(of("{language}"), paths(".", "{language}"));
        assert_eq!(
            of("../lm/{language}/best/adapters/{language}"),
            paths("../lm", "{language}/best/adapters/{language}")
        );
        assert_eq!(of("/a/b/x-{language}"), paths("/a/b", "x-{language}"));
    }
}
