//! Word alignment of parallel text: links between the words of a sentence and of its translation.
//!
//! An [`Alignment`] is a set of links between the words of two texts.
//! It comes from a file in the Pharaoh format ([`read_alignments`]), a bilingual dictionary
//! ([`DictionaryAligner`]), a statistical model trained on parallel text ([`FastAlign`]), or
//! the similarities of word embeddings ([`Extraction`]).
//! [`Symmetrization`] combines the alignments of both directions, and [`AlignmentScores`] scores
//! alignments against gold alignments.
//!
//! Words are separated by whitespace, as [`whitespace_words`](crate::whitespace_words) finds them,
//! and counted from 0.
//! Text of scripts without spaces, such as Chinese, Japanese and Thai, must be segmented into words
//! first, with spaces between them.
//!
//! ```
//! use isogloss_text::{Bitext, FastAlignConfig, Symmetrization, WordForm, align_bidirectional};
//!
//! let pairs = [("the house", "das Haus"), ("the book", "das Buch"), ("a book", "ein Buch")];
//! let bitext = Bitext::from_pairs(pairs, WordForm::Verbatim);
//! let config = FastAlignConfig::default();
//! let alignments = align_bidirectional(&config, &bitext, Symmetrization::GrowDiagFinalAnd);
//! assert_eq!(alignments[1].to_string(), "0-0 1-1");
//! ```

mod bitext;
mod dictionary;
mod dictionary_aligner;
mod fast_align;
mod pharaoh;
mod score;
mod similarity;
mod symmetrization;

use std::collections::BTreeSet;

pub use bitext::{Bitext, WordForm};
pub use dictionary::Dictionary;
pub use dictionary_aligner::{DictionaryAligner, DictionaryRule};
pub use fast_align::{EmIteration, FastAlign, FastAlignConfig, align_bidirectional};
pub use pharaoh::{read_alignments, read_gold_alignments};
pub use score::{AlignmentScores, GoldAlignment};
pub use similarity::{Extraction, LinkUnit};
pub use symmetrization::Symmetrization;

/// Alignment link: the indices of a word of the left text and a word of the right text, from 0.
pub type Link = (usize, usize);

/// Word alignment: the links between the words of two texts, sorted, without duplicates.
///
/// ```
/// use isogloss_text::Alignment;
///
/// let alignment = Alignment::parse("1-2 0-0 1-1", 2, 3)?;
/// assert_eq!(alignment.links(), [(0, 0), (1, 1), (1, 2)]);
/// assert_eq!(alignment.one_to_one().to_string(), "0-0");
/// # Ok::<(), isogloss_text::LineProblem>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Alignment {
    links: Vec<Link>,
}

impl FromIterator<Link> for Alignment {
    /// Collects links in any order and removes duplicates.
    fn from_iter<I: IntoIterator<Item = Link>>(links: I) -> Self {
        let mut links: Vec<Link> = links.into_iter().collect();
        links.sort_unstable();
        links.dedup();
        Self { links }
    }
}

impl Alignment {
    /// The links, sorted by left word and then by right word.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The number of links.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether no word is linked.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Whether the two words are linked.
    pub fn contains(&self, link: Link) -> bool {
        self.links.binary_search(&link).is_ok()
    }

    /// Reverse alignment: left and right words are swapped.
    #[must_use]
    pub fn reversed(&self) -> Self {
        self.links.iter().map(|&(left, right)| (right, left)).collect()
    }

    /// Intersection of two alignments: the links that both contain.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.filtered(|link| other.contains(link))
    }

    /// Union of two alignments: the links that at least one of them contains.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.links.iter().chain(&other.links).copied().collect()
    }

    /// Difference of two alignments: the links that `other` does not contain.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.filtered(|link| !other.contains(link))
    }

    /// One-to-one links: the links whose two words have no other link.
    ///
    /// # Source
    /// Gaschi et al. 2023, Exploring the Relationship between Alignment and Cross-lingual Transfer
    /// in Multilingual Transformers: realignment takes one-to-one links only.
    #[must_use]
    pub fn one_to_one(&self) -> Self {
        let left_words = words_linked_once(self.links.iter().map(|link| link.0));
        let right_words = words_linked_once(self.links.iter().map(|link| link.1));
        self.filtered(|(left, right)| left_words.contains(&left) && right_words.contains(&right))
    }

    /// Removes links between identical words, such as names and numbers (`ignore_identical`).
    ///
    /// Identical words teach a model nothing about translation.
    /// The comparison is case-sensitive.
    ///
    /// # Source
    /// Gaschi et al. 2023, `ignore_identical` of the authors' code.
    ///
    /// ```
    /// use isogloss_text::Alignment;
    ///
    /// let alignment = Alignment::from_iter([(0, 0), (1, 1)]);
    /// assert_eq!(alignment.without_identical("Bonn sleeps", "Bonn schläft").links(), [(1, 1)]);
    /// ```
    #[must_use]
    pub fn without_identical(&self, left: &str, right: &str) -> Self {
        let left: Vec<&str> = left.split_whitespace().collect();
        let right: Vec<&str> = right.split_whitespace().collect();
        self.filtered(|link| match (left.get(link.0), right.get(link.1)) {
            (Some(left), Some(right)) => left != right,
            _ => true,
        })
    }

    fn filtered(&self, keep: impl Fn(Link) -> bool) -> Self {
        Self { links: self.links.iter().copied().filter(|&link| keep(link)).collect() }
    }
}

fn words_linked_once(words: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    let mut once = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for word in words {
        if seen.insert(word) {
            once.insert(word);
        } else {
            once.remove(&word);
        }
    }
    once
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::Alignment;

    pub(crate) fn alignment(links: &str) -> Alignment {
        Alignment::parse(links, usize::MAX, usize::MAX).unwrap()
    }

    pub(crate) fn alignments() -> impl Strategy<Value = Alignment> {
        prop::collection::vec((0usize..6, 0usize..6), 0..14).prop_map(Alignment::from_iter)
    }

    #[test]
    fn one_to_one_drops_all_links_of_a_word_with_two() {
        assert_eq!(alignment("0-0 1-1 1-2 2-3 3-3 4-5").one_to_one(), alignment("0-0 4-5"));
    }

    #[test]
    fn identical_words_are_dropped_and_case_counts() {
        let links = alignment("0-0 1-1 2-2");
        assert_eq!(
            links.without_identical("Anna  likes it", "Anna Likes es"),
            alignment("1-1 2-2")
        );
    }

    #[test]
    fn sets_are_combined_link_by_link() {
        let (a, b) = (alignment("0-0 1-1"), alignment("1-1 1-2"));
        assert_eq!(a.union(&b), alignment("0-0 1-1 1-2"));
        assert_eq!(a.intersection(&b), alignment("1-1"));
        assert_eq!(a.difference(&b), alignment("0-0"));
        assert_eq!(b.reversed(), alignment("1-1 2-1"));
    }

    proptest! {
        #[test]
        fn one_to_one_links_each_word_once(links in alignments()) {
            let kept = links.one_to_one();
            for side in [kept.clone(), kept.reversed()] {
                prop_assert!(side.links().is_sorted_by(|a, b| a.0 < b.0));
            }
            prop_assert_eq!(kept.one_to_one(), kept.clone());
            prop_assert_eq!(kept.difference(&links), Alignment::default());
        }

        #[test]
        fn reversing_twice_changes_nothing(links in alignments()) {
            prop_assert_eq!(links.reversed().reversed(), links);
        }
    }
}
