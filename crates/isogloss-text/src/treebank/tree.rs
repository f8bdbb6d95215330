//! Validation of dependency trees: heads that form one tree with one root.

use thiserror::Error;

/// Dependency tree error: invalid heads, relations, tags or arc scores.
///
/// Words are counted from 1; head 0 is the root.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A word has no head.
    #[error("word {word} has no head")]
    NoHead {
        /// The word.
        word: usize,
    },

    /// Head out of range: it is not a word of the sentence.
    #[error("head {head} of word {word} is beyond the {n_words} words of the sentence")]
    HeadRange {
        /// The word.
        word: usize,
        /// Its head.
        head: usize,
        /// The number of words of the sentence.
        n_words: usize,
    },

    /// No word has the head 0.
    #[error("no word is the root")]
    NoRoot,

    /// More than one word has the head 0.
    #[error("words {first} and {second} are both the root")]
    SeveralRoots {
        /// The first of them.
        first: usize,
        /// The second.
        second: usize,
    },

    /// Cycle: a word is its own ancestor.
    #[error("word {word} is its own head or above its own head")]
    Cycle {
        /// A word of the cycle.
        word: usize,
    },

    /// Length mismatch: there is not one value for each word.
    #[error("expected {expected} heads, relations or tags, one for each word, found {found}")]
    WordCount {
        /// The number of words.
        expected: usize,
        /// The given number.
        found: usize,
    },

    /// Invalid cell: a relation or tag is not a valid cell of a CoNLL-U file.
    #[error("{found:?} of word {word} is empty or holds a tab or line end")]
    Cell {
        /// The word.
        word: usize,
        /// The relation or tag.
        found: String,
    },

    /// Wrong size of the score matrix: there is not one score for each pair of the words and the
    /// root.
    #[error("expected {expected} scores for {n_words} words and the root, found {found}")]
    ScoreCount {
        /// The number of words.
        n_words: usize,
        /// The required number of scores, `(n_words + 1)²`.
        expected: usize,
        /// The given number.
        found: usize,
    },

    /// A score is NaN or plus infinity.
    #[error("the score of head {head} for word {word} is neither finite nor minus infinity")]
    Score {
        /// The word.
        word: usize,
        /// Its possible head.
        head: usize,
    },

    /// No tree: every tree has an arc with a score of minus infinity.
    #[error("no tree with one root has a finite score")]
    NoTree,
}

impl TreeError {
    /// The word of the error, if it has one; the second of two roots.
    pub(crate) fn word(&self) -> Option<usize> {
        match *self {
            Self::NoHead { word }
            | Self::HeadRange { word, .. }
            | Self::SeveralRoots { second: word, .. }
            | Self::Cycle { word }
            | Self::Cell { word, .. }
            | Self::Score { word, .. } => Some(word),
            Self::NoRoot | Self::WordCount { .. } | Self::ScoreCount { .. } | Self::NoTree => None,
        }
    }
}

/// Validates a dependency tree: heads must form a tree over all words of a sentence, with exactly
/// one root.
///
/// `heads` has the head of each word: 0 for the root, else the index of a word, counted from 1.
///
/// ```
/// use isogloss_text::{TreeError, check_tree};
///
/// assert_eq!(check_tree(&[2, 0, 2]), Ok(()));
/// assert_eq!(check_tree(&[2, 3, 2, 0]), Err(TreeError::Cycle { word: 2 }));
/// ```
///
/// # Errors
/// The first that applies of [`TreeError::HeadRange`], [`TreeError::NoRoot`],
/// [`TreeError::SeveralRoots`] and [`TreeError::Cycle`].
pub fn check_tree(heads: &[usize]) -> Result<(), TreeError> {
    check_range(heads)?;
    let mut roots = heads.iter().zip(1..).filter(|&(&head, _)| head == 0).map(|(_, word)| word);
    let first = roots.next().ok_or(TreeError::NoRoot)?;
    if let Some(second) = roots.next() {
        return Err(TreeError::SeveralRoots { first, second });
    }
    // A walk up stops at a word of an earlier walk, so that all walks take n steps in total.
    let mut seen_from = vec![0; heads.len() + 1];
    for start in 1..=heads.len() {
        let mut word = start;
        while word != 0 && seen_from[word] == 0 {
            seen_from[word] = start;
            word = heads[word - 1];
        }
        if word != 0 && seen_from[word] == start {
            return Err(TreeError::Cycle { word });
        }
    }
    Ok(())
}

/// Checks that each head is the root or a word of the sentence.
pub(crate) fn check_range(heads: &[usize]) -> Result<(), TreeError> {
    let n_words = heads.len();
    match heads.iter().zip(1..).find(|&(&head, _)| head > n_words) {
        Some((&head, word)) => Err(TreeError::HeadRange { word, head, n_words }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TreeError, check_tree};

    #[test]
    fn every_fault_is_named() {
        for (heads, message) in [
            (&[][..], "no word is the root"),
            (&[2, 1], "no word is the root"),
            (&[0, 3], "head 3 of word 2 is beyond the 2 words of the sentence"),
            (&[0, 1, 0], "words 1 and 3 are both the root"),
            (&[0, 2], "word 2 is its own head or above its own head"),
            (&[4, 0, 1, 3], "word 1 is its own head or above its own head"),
            (&[0, 3, 4, 3], "word 3 is its own head or above its own head"),
        ] {
            assert_eq!(check_tree(heads).unwrap_err().to_string(), message, "{heads:?}");
        }
    }

    #[test]
    fn a_long_chain_is_a_tree() {
        let heads: Vec<usize> = (0..100_000).collect();
        assert_eq!(check_tree(&heads), Ok(()));
    }

    proptest! {
        #[test]
        fn a_tree_is_what_has_one_root_and_reaches_it_from_everywhere(
            heads in (1usize..7).prop_flat_map(|n_words| prop::collection::vec(0..=n_words, n_words)),
        ) {
            let reaches_root = |mut word: usize| {
                for _ in 0..heads.len() {
                    word = if word == 0 { 0 } else { heads[word - 1] };
                }
                word == 0
            };
            let one_root = heads.iter().filter(|&&head| head == 0).count() == 1;
            let is_tree = one_root && (1..=heads.len()).all(reaches_root);
            let found = check_tree(&heads);
            prop_assert_eq!(found.is_ok(), is_tree);
            if let Err(TreeError::Cycle { word }) = found {
                prop_assert!(!reaches_root(word));
            }
        }
    }
}
