//! The `[views]` table of a recipe: how each view is made.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::code_switch::capital;
use crate::reader::{Texts, read_dictionaries, read_translations};
use crate::{Language, LanguagePattern, TextError};

/// The greatest `n_best`, as in SentencePiece.
const MAX_N_BEST: usize = 512;

/// How the views of an example are made; a view without a table cannot be asked for.
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewsConfig {
    /// Words cut into other subwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subword_sampled: Option<SubwordSamplingConfig>,
    /// Words put into other languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_switched: Option<CodeSwitchConfig>,
    /// Whole texts put into other languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translated: Option<TranslationConfig>,
}

impl ViewsConfig {
    /// The field and the reason of each value that no view can be made with.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if let Some(config) = &self.subword_sampled {
            faults.extend(outside("subword_sampled.rate", config.rate, 0.0..=1.0));
            if !(config.alpha.is_finite() && config.alpha > 0.0) {
                let reason = format!("expected a finite number above 0, found {}", config.alpha);
                faults.push(("subword_sampled.alpha", reason));
            }
            if let Some(n_best) = config.n_best.filter(|n_best| !(2..=MAX_N_BEST).contains(n_best))
            {
                let reason = format!("expected [2, {MAX_N_BEST}], found {n_best}");
                faults.push(("subword_sampled.n_best", reason));
            }
        }
        if let Some(config) = &self.code_switched {
            faults.extend(without_language("code_switched.dictionaries", &config.dictionaries));
            faults.extend(bad_languages("code_switched.languages", &config.languages));
            faults.extend(outside("code_switched.rate", config.rate, 0.0..=1.0));
        }
        if let Some(config) = &self.translated {
            faults.extend(without_language("translated.path", &config.path));
            faults.extend(bad_languages("translated.languages", &config.languages));
        }
        faults
    }

    /// Adds the words of the dictionaries and the translations that views put in place of others.
    ///
    /// # Errors
    /// If a file is missing or cannot be read.
    pub fn add_texts(&self, texts: &mut Texts) -> Result<(), TextError> {
        if let Some(config) = &self.code_switched {
            for lexicon in read_dictionaries(&config.dictionaries, &config.languages)? {
                for word in lexicon.values() {
                    // Some tokenizers cut a word in another way where it begins a text.
                    texts.add_text(&format!("{word} {word}"));
                    if config.case == CaseRule::Keep {
                        let word = capital(word);
                        texts.add_text(&format!("{word} {word}"));
                    }
                }
            }
        }
        if let Some(config) = &self.translated {
            for lexicon in read_translations(&config.path, &config.languages)? {
                lexicon.values().for_each(|translation| texts.add_text(translation));
            }
        }
        Ok(())
    }
}

/// How words are cut into other subwords.
///
/// A word is what the pre-tokenizer of the tokenizer sets apart; a text without spaces may be one word.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubwordSamplingConfig {
    /// The share of words that are cut anew, from 0 to 1; a new cut may be equal to the usual one.
    pub rate: f64,
    /// How cuts are drawn, above 0.
    ///
    /// With a Unigram tokenizer, a cut has a probability proportional to `exp(alpha * score)`, where the score is the sum of the scores of its pieces (Kudo 2018, arXiv:1804.10959, and SentencePiece's `alpha`): near 0 all cuts are alike, and a large alpha leaves the best.
    /// With a BPE tokenizer, the probability to skip a merge, at most 1 (BPE-dropout, Provilkov et al. 2020, arXiv:1910.13267).
    /// With a WordPiece tokenizer, the probability to pass over a piece that matches, at most 1 (after MaxMatch-Dropout, Hiraoka 2022, arXiv:2209.04126).
    pub alpha: f64,
    /// Draws among this many best cuts, 2 to 512; among all when unset. Only for Unigram tokenizers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_best: Option<usize>,
}

impl Default for SubwordSamplingConfig {
    fn default() -> Self {
        Self { rate: 0.5, alpha: 0.3, n_best: None }
    }
}

/// How words are put into other languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeSwitchConfig {
    /// The path of the dictionaries, with `{language}` in place of the language.
    ///
    /// A dictionary has one word and one translation a line, as those of MUSE have: between a tab, where both may hold spaces, or between spaces, where the word ends at the first.
    pub dictionaries: LanguagePattern,
    /// The languages to draw from.
    pub languages: Vec<Language>,
    /// The share of words that are looked up, from 0 to 1.
    #[serde(default = "default_rate")]
    pub rate: f64,
    /// How a translation is written.
    #[serde(default)]
    pub case: CaseRule,
}

/// The rate of xTune's scripts for natural language inference and question answering.
fn default_rate() -> f64 {
    0.3
}

/// The letter case of a word that stands in for another; words are looked up in lower case in any event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseRule {
    /// As the dictionary writes it, which is xTune's rule.
    #[default]
    Lower,
    /// As the dictionary writes it, but with a capital where the word had one at its start.
    Keep,
}

/// Where the translations of whole texts are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslationConfig {
    /// The path of the translations, with `{language}` in place of the language: a text and its translation a line, between a tab.
    pub path: LanguagePattern,
    /// The languages to draw from.
    pub languages: Vec<Language>,
}

type Fault = (&'static str, String);

fn outside(field: &'static str, value: f64, range: RangeInclusive<f64>) -> Option<Fault> {
    let reason = || format!("expected [{}, {}], found {value}", range.start(), range.end());
    (!range.contains(&value)).then(|| (field, reason()))
}

fn without_language(field: &'static str, pattern: &LanguagePattern) -> Option<Fault> {
    let reason = || {
        format!("expected a path with {}, found {:?}", LanguagePattern::LANGUAGE, pattern.as_str())
    };
    (!pattern.has_language()).then(|| (field, reason()))
}

fn bad_languages(field: &'static str, languages: &[Language]) -> Option<Fault> {
    let mut seen = languages.iter().enumerate();
    let twice = seen.find(|&(idx, language)| languages.iter().take(idx).any(|l| l == language));
    match twice {
        _ if languages.is_empty() => Some((field, "expected at least one language".into())),
        Some((_, language)) => Some((field, format!("\"{language}\" is listed twice"))),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{CaseRule, SubwordSamplingConfig, ViewsConfig};

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
                "subword_sampled.alpha: expected a finite number above 0, found 0",
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
