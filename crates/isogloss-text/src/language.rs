//! Language tags (BCP-47): parsing, validation, and matching by fallback.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TextError;

/// Language tag (BCP-47), such as `en`, `zh-CN` or `sr-Latn`.
///
/// The syntax of the tag is checked, not whether the language exists; the primary subtag has two or
/// three letters, as no longer one is registered.
/// Names of dataset splits are rejected, so that `test.jsonl` and `de-train.jsonl` are not mistaken
/// for files of a language.
/// Letter case is normalized as BCP-47 recommends, so `ZH-cn` and `zh-CN` are equal.
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
    /// Language of a data file, by its name: the stem is the tag, alone or beside the name of a split
    /// (`de.jsonl`, `de.test.conll`, `test_de.tsv`), or begins the name of a treebank of Universal
    /// Dependencies (`de_gsd-ud-test.conllu`).
    ///
    /// # Errors
    /// That of the whole stem as a tag, if the name has none of these forms.
    pub fn from_file_name(path: &Path) -> Result<Self, TextError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_split = |part: &str| SPLITS.contains(&part.to_ascii_lowercase().as_str());
        let beside_split = ['.', '_', '-'].into_iter().find_map(|separator| {
            let before = stem.rsplit_once(separator).filter(|(_, split)| is_split(split));
            let after = stem.split_once(separator).filter(|(split, _)| is_split(split));
            before.map(|(tag, _)| tag).or(after.map(|(_, tag)| tag))
        });
        let of_treebank = || Some(stem.split_once("-ud-")?.0.split_once('_')?.0);
        stem.parse().or_else(|error| {
            let tag = beside_split.filter(|tag| tag.parse::<Self>().is_ok()).or_else(of_treebank);
            tag.and_then(|tag| tag.parse().ok()).ok_or(error)
        })
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Language matching by BCP-47 fallback (RFC 4647): the candidates that match this language.
    ///
    /// If a candidate has the same tag, it is the only match; else the longest candidate that
    /// remains of this tag when subtags are removed from its end (lookup, RFC 4647, section 3.4);
    /// else every candidate that extends this tag (filtering, section 3.3.1).
    /// There is one match if it is unambiguous, none if no candidate matches, and several if the
    /// language must be specified further.
    ///
    /// ```
    /// use isogloss_text::Language;
    ///
    /// let of = |tags: &[&str]| tags.iter().map(|tag| tag.parse()).collect::<Result<Vec<Language>, _>>();
    /// let (zh, zh_cn) = (&of(&["zh"])?[0], &of(&["zh-CN"])?[0]);
    /// assert_eq!(zh_cn.matches(&of(&["en", "zh"])?), [zh]);
    /// assert_eq!(zh.matches(&of(&["en", "zh-CN"])?), [zh_cn]);
    /// assert_eq!(zh.matches(&of(&["zh-CN", "zh-TW"])?).len(), 2);
    /// assert!(zh_cn.matches(&of(&["zh-TW"])?).is_empty());
    /// # Ok::<(), isogloss_text::TextError>(())
    /// ```
    pub fn matches<'a>(&self, candidates: &'a [Self]) -> Vec<&'a Self> {
        let mut range = Some(self.as_str());
        while let Some(tag) = range {
            if let Some(found) = candidates.iter().find(|candidate| candidate.as_str() == tag) {
                return vec![found];
            }
            range = shorter(tag);
        }
        let is_within = |candidate: &&Self| {
            candidate.as_str().strip_prefix(self.as_str()).is_some_and(|rest| rest.starts_with('-'))
        };
        candidates.iter().filter(is_within).collect()
    }
}

/// Removes the last subtag of a tag, and a singleton that would then be the last.
fn shorter(tag: &str) -> Option<&str> {
    let (rest, _) = tag.rsplit_once('-')?;
    match rest.rsplit_once('-') {
        Some((before, last)) if last.len() == 1 => Some(before),
        _ => Some(rest),
    }
}

impl FromStr for Language {
    type Err = TextError;

    fn from_str(tag: &str) -> Result<Self, TextError> {
        let invalid = |fault| TextError::InvalidLanguage { tag: tag.to_owned(), fault };
        canonical(tag).map(Self).map_err(invalid)
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

/// Reason why a text is not a valid language tag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagFault {
    /// The subtags are not 1 to 8 letters and digits each, separated by hyphens.
    Form,
    /// The primary subtag does not have 2 or 3 letters.
    Primary,
    /// A subtag is at a position where its form is not valid.
    Place {
        /// The subtag.
        subtag: String,
    },
    /// A subtag is the name of a dataset split.
    Split {
        /// The subtag.
        subtag: String,
    },
}

impl fmt::Display for TagFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("expected letters and digits between hyphens"),
            Self::Primary => f.write_str("a language is a code of 2 or 3 letters (ISO 639)"),
            Self::Place { subtag } => write!(f, "{subtag:?} has no place there"),
            Self::Split { subtag } => {
                write!(f, "{subtag:?} is the name of a split")?;
                match subtag.len() {
                    3 => write!(f, " (of the language with that code, name the script too)"),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Common names of dataset splits that have the form of a subtag.
const SPLITS: [&str; 14] = [
    "train", "training", "trn", "dev", "devel", "valid", "val", "eval", "test", "testing", "tst",
    "heldout", "gold", "pred",
];

/// Kinds of subtags in their order (RFC 5646, section 2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Language,
    Extended,
    Script,
    Region,
    Variant,
    Extension,
}

/// Canonicalizes a tag to the letter case of RFC 5646, section 2.1.1; the error is the reason why
/// it is not well-formed.
fn canonical(tag: &str) -> Result<String, TagFault> {
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if !tag.split('-').all(is_subtag) {
        return Err(TagFault::Form);
    }
    let tag = tag.to_ascii_lowercase();
    let split = |subtag: &str| Err(TagFault::Split { subtag: subtag.to_owned() });
    let mut subtags = tag.split('-').peekable();
    let primary = subtags.next().unwrap_or_default();
    if SPLITS.contains(&primary) && (subtags.peek().is_none() || primary.len() > 3) {
        return split(primary);
    }
    if !(2..=3).contains(&primary.len()) || !is_alphabetic(primary) {
        return Err(TagFault::Primary);
    }
    let (mut canonical, mut part) = (primary.to_owned(), Part::Language);
    while let Some(subtag) = subtags.next() {
        if part < Part::Extension && SPLITS.contains(&subtag) {
            return split(subtag);
        }
        let is_last = subtags.peek().is_none();
        part = match part_of(subtag, part) {
            Some(next) if subtag.len() > 1 || !is_last => next,
            _ => return Err(TagFault::Place { subtag: subtag.to_owned() }),
        };
        canonical.push('-');
        match part {
            Part::Region => canonical.push_str(&subtag.to_ascii_uppercase()),
            Part::Script => {
                let (initial, rest) = subtag.split_at(1);
                canonical.push_str(&initial.to_ascii_uppercase());
                canonical.push_str(rest);
            }
            _ => canonical.push_str(subtag),
        }
    }
    Ok(canonical)
}

/// Classifies a lowercase subtag that follows a subtag of kind `before`; `None` if it is not valid
/// there.
fn part_of(subtag: &str, before: Part) -> Option<Part> {
    let is_number = subtag.bytes().all(|b| b.is_ascii_digit());
    let begins_with_digit = subtag.starts_with(|c: char| c.is_ascii_digit());
    let part = match subtag.len() {
        _ if before == Part::Extension => Part::Extension,
        1 => Part::Extension,
        2 if is_alphabetic(subtag) => Part::Region,
        3 if is_alphabetic(subtag) => Part::Extended,
        3 if is_number => Part::Region,
        4 if is_alphabetic(subtag) => Part::Script,
        4 if begins_with_digit => Part::Variant,
        5..=8 => Part::Variant,
        _ => return None,
    };
    let repeats = matches!(part, Part::Extended | Part::Variant | Part::Extension);
    (before < part || repeats && before == part).then_some(part)
}

fn is_alphabetic(subtag: &str) -> bool {
    subtag.bytes().all(|b| b.is_ascii_alphabetic())
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
            // Subtags after a singleton are lowercase, and names of splits are allowed there.
            ("de-x-TEST-AB", "de-x-test-ab"),
            ("de-Latn-1901-u-co-phonebk", "de-Latn-1901-u-co-phonebk"),
            ("sl-rozaj-biske", "sl-rozaj-biske"),
            // Wikipedias, as WikiANN and PAN-X name them.
            ("zh-min-nan", "zh-min-nan"),
            ("be-x-old", "be-x-old"),
            ("fiu-vro", "fiu-vro"),
            ("nds-nl", "nds-NL"),
            ("cbk-zam", "cbk-zam"),
            ("yue", "yue"),
            // Languages whose codes are also names of splits.
            ("dev-latn", "dev-Latn"),
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
    fn names_of_files_that_are_no_tags_are_refused_with_the_reason() {
        let message = |tag: &str| tag.parse::<Language>().unwrap_err().to_string();
        for (tag, part) in [
            // Files named after their splits, as in huggingface/datasets#5693 and
            // flairNLP/flair#480.
            ("test", "\"test\" is the name of a split"),
            ("TRAIN", "\"train\" is the name of a split"),
            ("dev", "\"dev\" is the name of a split (of the language with that code"),
            ("val", "\"val\" is the name of a split"),
            ("de-train", "\"train\" is the name of a split"),
            ("de-DE-test", "\"test\" is the name of a split"),
            ("de-dev", "\"dev\" is the name of a split"),
            // Names instead of codes.
            ("english", "a language is a code of 2 or 3 letters"),
            ("README", "a language is a code of 2 or 3 letters"),
            ("simple", "a language is a code of 2 or 3 letters"),
            ("labels-de", "a language is a code of 2 or 3 letters"),
            // Subtags out of order.
            ("zh-CN-Hans", "\"hans\" has no place there"),
            ("de-DE-AT", "\"at\" has no place there"),
            ("de-x", "\"x\" has no place there"),
            ("de-1", "\"1\" has no place there"),
            ("de-v2", "\"v2\" has no place there"),
        ] {
            let message = message(tag);
            assert!(message.contains(part) && message.contains(tag), "{message}");
        }
    }

    #[test]
    fn files_are_named_after_their_language_beside_a_split() {
        for (name, expected) in [
            ("de.jsonl", Some("de")),
            ("data/zh-CN.tsv", Some("zh-CN")),
            ("de.test.conll", Some("de")),
            ("zh-CN_dev.jsonl", Some("zh-CN")),
            ("de-train.jsonl", Some("de")),
            ("test_de.tsv", Some("de")),
            ("TEST.DE.tsv", Some("de")),
            ("de_gsd-ud-test.conllu", Some("de")),
            ("qhe_hiencs-ud-train.conllu", Some("qhe")),
            // Neither a split alone nor another word is a language.
            ("test.jsonl", None),
            ("de.news.jsonl", None),
            ("ner.test.conll", Some("ner")),
            ("english_test.tsv", None),
            ("gold_test.tsv", None),
        ] {
            let found = Language::from_file_name(name.as_ref()).ok();
            assert_eq!(found.as_ref().map(Language::as_str), expected, "{name}");
        }
    }

    #[test]
    fn languages_match_by_fallback() {
        let languages = |tags: &str| -> Vec<Language> {
            tags.split_whitespace().map(|tag| tag.parse().unwrap()).collect()
        };
        for (wanted, candidates, expected) in [
            ("zh-CN", "zh zh-CN zh-TW", "zh-CN"),
            // home-assistant/frontend#520, vespa-engine/vespa#34516
            ("zh-CN", "zh zh-TW", "zh"),
            ("zh", "en zh-CN", "zh-CN"),
            ("zh", "zh-CN zh-TW", "zh-CN zh-TW"),
            // greasyfork-org/greasyfork#271
            ("zh-CN", "zh-TW en", ""),
            // mozilla/persona#3044, mapbox/carmen#556
            ("zh-Hans-CN", "zh-CN zh-Hans", "zh-Hans"),
            ("en-XX", "en es", "en"),
            ("zh-Hant-HK", "zh zh-Hant", "zh-Hant"),
            // The subtags of an extension are removed with its singleton.
            ("de-DE-x-goethe", "de-DE de", "de-DE"),
            // A code does not match a longer code that begins with it.
            ("fi", "fil", ""),
            ("fil", "fi", ""),
            ("pt", "pt-BR", "pt-BR"),
            ("sr-Latn", "sr-Cyrl sr", "sr"),
            ("en", "", ""),
        ] {
            let (wanted, candidates) = (&languages(wanted)[0], languages(candidates));
            let found: Vec<Language> = wanted.matches(&candidates).into_iter().cloned().collect();
            assert_eq!(found, languages(expected), "{wanted} of {candidates:?}");
        }
    }

    #[test]
    fn serde_reads_and_writes_the_plain_tag() {
        let language: Language = serde_json::from_str("\"pt-br\"").unwrap();
        assert_eq!(serde_json::to_string(&language).unwrap(), "\"pt-BR\"");
        assert!(serde_json::from_str::<Language>("\"pt_BR\"").is_err());
    }
}
