//! Examples as the readers return them: text and labels, not yet tokens and ids.

use serde::{Deserialize, Serialize};

use crate::Origin;
use crate::treebank::{Sentence, TokenId};

/// One example of a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Where it was read.
    pub origin: Origin,
    /// The text and its labels.
    pub content: Content,
    /// The split it belongs to, where the file says so.
    pub split: Option<String>,
}

/// The text of an example and its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Running text, as JSON Lines, TSV and CSV files hold it.
    Text {
        /// The text, never blank.
        text: String,
        /// The second text of a pair, never blank.
        pair: Option<String>,
        /// The class of the text or the pair.
        label: Option<String>,
        /// The named spans of `text`, sorted, without overlap.
        slots: Vec<Slot>,
    },
    /// Words with one tag each, as CoNLL files hold them.
    Words {
        /// The words, none empty.
        words: Vec<String>,
        /// The tag of each word.
        tags: Vec<String>,
    },
    /// A sentence of a treebank.
    Tree(Sentence),
}

impl From<Sentence> for Example {
    fn from(sentence: Sentence) -> Self {
        let line = sentence.line(TokenId::Word(1));
        let origin = Origin { line, ..sentence.origin().clone() };
        Self { origin, content: Content::Tree(sentence), split: None }
    }
}

/// A named span of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The first character, counted from 0.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// The name, such as `area`.
    #[serde(rename = "slot", alias = "name", alias = "label", alias = "type")]
    pub name: String,
}

/// A sentence and its translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentencePair {
    /// The sentence in the first language.
    pub left: String,
    /// The sentence in the second language.
    pub right: String,
    /// Where the pair was read.
    pub origin: Origin,
}
