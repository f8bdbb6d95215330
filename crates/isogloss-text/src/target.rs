//! Training targets (labels) of one example.

/// Ignore index: the target of a position without a label, which the loss ignores, as PyTorch's
/// `ignore_index`.
pub const IGNORE_INDEX: i32 = -100;

/// Training target (label) of one example.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target {
    /// No target, for inference.
    #[default]
    None,
    /// Sequence classification: the id of a class.
    Class(u32),
    /// Token classification: a label id for each token, [`IGNORE_INDEX`] for none.
    Tokens(Vec<i32>),
    /// Dependency parsing: a head, a relation and a part-of-speech tag for each word.
    Words(WordTargets),
}

/// Targets of a dependency parser for the words of a sentence or of a batch: first subwords, heads,
/// relations and part-of-speech tags.
///
/// A word without a token, truncated or unknown to the tokenizer, has no target, and its dependents
/// have neither head nor relation as a target.
///
/// # Shapes
/// - all lists: `[n_words]` for a sentence, `[n, n_words]` for a batch, row by row, padded to its
///   longest sentence
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordTargets {
    /// The number of words, those without a token included.
    pub n_words: usize,
    /// The index of each word's first token among those of its sentence; `None` for a word without
    /// one, and in padding.
    pub first_subwords: Vec<Option<u32>>,
    /// The head of each word, 0 for the root, else the index of a word, counted from 1;
    /// [`IGNORE_INDEX`] for none.
    pub heads: Vec<i32>,
    /// The id of each word's relation; [`IGNORE_INDEX`] for none.
    pub relations: Vec<i32>,
    /// The id of each word's part of speech; [`IGNORE_INDEX`] for none.
    pub tags: Vec<i32>,
}
