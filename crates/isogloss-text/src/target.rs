//! Targets: what a model should predict about one example.

/// The target of a position that has no label; the loss leaves it out, as PyTorch's `ignore_index` does.
pub const IGNORE_INDEX: i32 = -100;

/// What a model should predict about one example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// None: the example is to be predicted.
    None,
    /// A class.
    Class(u32),
    /// A label for each token, [`IGNORE_INDEX`] where there is none.
    Tokens(Vec<i32>),
    /// A head, a relation and a part of speech for each word.
    Words(WordTargets),
}

/// The targets of a dependency parser for the words of a sentence or of a batch: first subwords, heads, relations and parts of speech.
///
/// A word without a token, truncated or unknown to the tokenizer, has no target, and neither head nor relation is a target of a word below it.
///
/// # Shapes
/// - all lists: `[n_words]` for a sentence, `[n, n_words]` for a batch, row by row, padded to its longest sentence
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordTargets {
    /// The number of words, those without a token included.
    pub n_words: usize,
    /// The index of each word's first token among those of its sentence; `None` for a word without one, and in padding.
    pub first_subwords: Vec<Option<u32>>,
    /// The head of each word, 0 for the root, else the index of a word, counted from 1; [`IGNORE_INDEX`] for none.
    pub heads: Vec<i32>,
    /// The id of each word's relation; [`IGNORE_INDEX`] for none.
    pub relations: Vec<i32>,
    /// The id of each word's part of speech; [`IGNORE_INDEX`] for none.
    pub tags: Vec<i32>,
}
