//! Data augmentation configuration: the `[views]` table of a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reader::Texts;
use crate::subword::SubwordSamplingConfig;
use crate::view::code_switch::CodeSwitchConfig;
use crate::view::translation::TranslationConfig;
use crate::{Language, LanguagePattern, TextError};

/// The `[views]` table of a recipe: data augmentation, with a table for each kind of view; a view
/// without a table is not available.
///
/// ```
/// use isogloss_text::ViewsConfig;
///
/// let config: ViewsConfig = serde_json::from_str(
///     r#"{"code_switched": {"dictionaries": "muse/en-{language}.txt", "languages": ["de", "tr"], "rate": 1.5}}"#,
/// )?;
/// assert_eq!(config.faults(), [("code_switched.rate", "expected [0, 1], found 1.5".to_owned())]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ViewsConfig {
    /// Subword regularization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subword_sampled: Option<SubwordSamplingConfig>,
    /// Code-switching.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_switched: Option<CodeSwitchConfig>,
    /// Translation of whole texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translated: Option<TranslationConfig>,
}

impl ViewsConfig {
    /// Validates the configuration: the field name and the reason of each invalid value.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let sampled = self.subword_sampled.iter().flat_map(SubwordSamplingConfig::faults);
        let switched = self.code_switched.iter().flat_map(CodeSwitchConfig::faults);
        let translated = self.translated.iter().flat_map(TranslationConfig::faults);
        sampled.chain(switched).chain(translated).collect()
    }

    /// Views of texts in one of several languages, or of the only one: `{source}` in paths is its tag,
    /// and where it is there, or there are several, the language is not among those that its texts are
    /// rewritten in.
    ///
    /// ```
    /// use isogloss_text::{Language, ViewsConfig};
    ///
    /// let config: ViewsConfig = serde_json::from_str(
    ///     r#"{"code_switched": {"dictionaries": "{source}-{language}.txt", "languages": ["de", "tr"]}}"#,
    /// )?;
    /// let sources: [Language; 2] = ["en".parse()?, "de".parse()?];
    /// let german = config.for_source(&sources[1], &sources).code_switched.unwrap();
    /// assert_eq!(german.dictionaries.as_str(), "de-{language}.txt");
    /// assert_eq!(german.languages, ["tr".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn for_source(&self, source: &Language, sources: &[Language]) -> Self {
        let mut config = self.clone();
        let code_switched = config.code_switched.iter_mut();
        let files = code_switched.map(|view| (&mut view.dictionaries, &mut view.languages));
        let translated = config.translated.iter_mut();
        for (pattern, languages) in
            files.chain(translated.map(|view| (&mut view.path, &mut view.languages)))
        {
            let is_only = sources.len() < 2 && !pattern.has_source();
            *pattern = pattern.with_source(source);
            languages.retain(|language| is_only || language != source);
        }
        config
    }

    /// Validates the views for texts in several languages: the field name and the reason of each
    /// value that is for one alone.
    pub fn source_faults(&self, sources: &[Language]) -> Vec<(&'static str, String)> {
        let switched = self.code_switched.iter().map(|view| {
            let fields = ["code_switched.dictionaries", "code_switched.languages"];
            (fields, &view.dictionaries, &view.languages)
        });
        let translated = self
            .translated
            .iter()
            .map(|view| (["translated.path", "translated.languages"], &view.path, &view.languages));
        let mut faults = Vec::new();
        for ([path, field], pattern, languages) in switched.chain(translated) {
            if !pattern.has_source() {
                let (expected, found) = (LanguagePattern::SOURCE, pattern.as_str());
                let problem = format!(
                    "expected a path with {expected}, where the tag of the text's language stands, \
                     found {found:?}"
                );
                faults.push((path, problem));
            }
            if let [only] = &languages[..]
                && sources.contains(only)
            {
                let problem = format!("texts in \"{only}\" have no other language among these");
                faults.push((field, problem));
            }
        }
        faults
    }

    /// Adds the texts that views insert: the words of the dictionaries and the translations.
    ///
    /// # Errors
    /// If a file is missing or cannot be read.
    pub fn add_texts(&self, texts: &mut Texts) -> Result<(), TextError> {
        self.code_switched.iter().try_for_each(|config| config.add_texts(texts))?;
        self.translated.iter().try_for_each(|config| config.add_texts(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::{SubwordSamplingConfig, ViewsConfig};
    use crate::CaseRule;

    fn read(json: &str) -> Result<ViewsConfig, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let config = read(
            r#"{
                "subword_sampled": {"rate": -0.1, "alpha": 0, "n_best": 1},
                "code_switched": {"dictionaries": "en-de.txt", "languages": ["de", "tr", "DE"], "rate": 1.5},
                "translated": {"path": "x", "languages": []}
            }"#,
        )
        .unwrap();
        let faults: Vec<String> =
            config.faults().iter().map(|(field, reason)| format!("{field}: {reason}")).collect();
        assert_eq!(
            faults,
            [
                "subword_sampled.rate: expected [0, 1], found -0.1",
                "subword_sampled.alpha: expected a positive number, found 0",
                "subword_sampled.n_best: expected [2, 512], found 1",
                "code_switched.dictionaries: expected a path with {language}, found \"en-de.txt\"",
                "code_switched.languages: \"de\" is listed twice",
                "code_switched.rate: expected [0, 1], found 1.5",
                "translated.path: expected a path with {language}, found \"x\"",
                "translated.languages: expected at least one language",
            ]
        );
    }

    #[test]
    fn numbers_that_are_none_are_faults() {
        let sampling =
            SubwordSamplingConfig { rate: f64::NAN, alpha: f64::INFINITY, n_best: Some(2) };
        let config = ViewsConfig { subword_sampled: Some(sampling), ..ViewsConfig::default() };
        assert_eq!(config.faults().len(), 2);
    }

    #[test]
    fn defaults_are_those_of_the_scripts_of_xtune() {
        let config = read(
            r#"{"subword_sampled": {}, "code_switched": {"dictionaries": "{language}", "languages": ["de"]}}"#,
        )
        .unwrap();
        assert_eq!(config.faults(), []);
        assert_eq!(
            config.subword_sampled,
            Some(SubwordSamplingConfig { rate: 0.5, alpha: 0.3, n_best: None })
        );
        let switching = config.code_switched.unwrap();
        assert_eq!((switching.rate, switching.case), (0.3, CaseRule::Lower));
    }

    #[test]
    fn only_known_keys_are_read_and_only_set_ones_written() {
        assert!(read(r#"{"code_switch": {}}"#).is_err());
        assert!(read(r#"{"subword_sampled": {"nbest": 4}}"#).is_err());
        assert!(read(r#"{"code_switched": {"dictionaries": "{language}"}}"#).is_err());
        let config = read(r#"{"subword_sampled": {"rate": 0.25}}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"subword_sampled":{"rate":0.25,"alpha":0.3}}"#
        );
        assert_eq!(serde_json::to_string(&ViewsConfig::default()).unwrap(), "{}");
    }
}
