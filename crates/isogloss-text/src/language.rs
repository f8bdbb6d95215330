//! Languages, named by BCP-47 tags.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TextError;

/// A language, named by a BCP-47 tag such as `en`, `zh-CN` or `sr-Latn`.
///
/// The form of the tag is checked, not whether the language exists.
/// Letter case is set as BCP-47 recommends, so `ZH-cn` and `zh-CN` are equal.
///
/// ```
/// use isogloss_text::Language;
///
/// let language: Language = "zh-hant-hk".parse()?;
/// assert_eq!(language.as_str(), "zh-Hant-HK");
/// assert!("not a language".parse::<Language>().is_err());
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

impl Language {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = TextError;

    fn from_str(tag: &str) -> Result<Self, TextError> {
        canonical(tag).map(Self).ok_or_else(|| TextError::InvalidLanguage { tag: tag.to_owned() })
    }
}

impl TryFrom<String> for Language {
    type Error = TextError;

    fn try_from(tag: String) -> Result<Self, TextError> {
        tag.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.0
    }
}

impl AsRef<str> for Language {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The tag with the letter case of RFC 5646, section 2.1.1, or `None` if it is not well formed.
fn canonical(tag: &str) -> Option<String> {
    let mut subtags = tag.split('-');
    let primary = subtags.next()?;
    if !(2..=8).contains(&primary.len()) || !primary.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let mut canonical = primary.to_ascii_lowercase();
    let mut after_singleton = false;
    for subtag in subtags {
        if !(1..=8).contains(&subtag.len()) || !subtag.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let mut subtag = subtag.to_ascii_lowercase();
        match subtag.len() {
            1 => after_singleton = true,
            2 if !after_singleton => subtag.make_ascii_uppercase(),
            4 if !after_singleton => {
                if let Some(initial) = subtag.get_mut(..1) {
                    initial.make_ascii_uppercase();
                }
            }
            _ => {}
        }
        canonical.push('-');
        canonical.push_str(&subtag);
    }
    Some(canonical)
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn tags_take_their_recommended_case() {
        for (given, expected) in [
            ("en", "en"),
            ("EN", "en"),
            ("zh-cn", "zh-CN"),
            ("ZH-HANT-hk", "zh-Hant-HK"),
            ("sr-latn", "sr-Latn"),
            ("es-419", "es-419"),
            ("en-US-x-Twain", "en-US-x-twain"),
        ] {
            assert_eq!(given.parse::<Language>().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn malformed_tags_are_refused() {
        for tag in
            ["", "e", "en_US", "en-", "-en", "en--US", "123", "de-DE!", "français", "abcdefghi"]
        {
            assert!(tag.parse::<Language>().is_err(), "{tag:?} was taken");
        }
    }

    #[test]
    fn serde_reads_and_writes_the_plain_tag() {
        let language: Language = serde_json::from_str("\"pt-br\"").unwrap();
        assert_eq!(serde_json::to_string(&language).unwrap(), "\"pt-BR\"");
        assert!(serde_json::from_str::<Language>("\"pt_BR\"").is_err());
    }
}
