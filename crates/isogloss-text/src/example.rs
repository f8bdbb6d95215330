//! Dataset examples: texts and labels as the readers return them, before tokenization.

use serde::{Deserialize, Serialize};

use crate::Origin;
use crate::treebank::{Sentence, TokenId};

/// Dataset example: text and labels, split, and source location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The source location: file and line.
    pub origin: Origin,
    /// The text and its labels.
    pub content: Content,
    /// The dataset split, if the file has a split field.
    pub split: Option<String>,
    /// Whether spans are read and the line has no field for them, so that it counts as a text
    /// without spans.
    pub lacks_spans: bool,
}

/// Content of an example: its text and labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Running text, from JSON Lines, TSV and CSV files.
    Text {
        /// The text, never blank.
        text: String,
        /// The second text of a pair, never blank.
        pair: Option<String>,
        /// The class label of the text or the pair.
        label: Option<String>,
        /// The slots (labeled spans) of `text`, sorted, without overlap.
        slots: Vec<Slot>,
    },
    /// Pre-tokenized words with one tag each, from CoNLL, CoNLL-U and JSON Lines files.
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
        Self { origin, content: Content::Tree(sentence), split: None, lacks_spans: false }
    }
}

/// Slot (labeled span) of a text, such as an entity, in characters.
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

/// Parallel sentence pair: a sentence and its translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentencePair {
    /// The sentence in the first language.
    pub left: String,
    /// The sentence in the second language.
    pub right: String,
    /// The source location of the pair: file and line.
    pub origin: Origin,
}
