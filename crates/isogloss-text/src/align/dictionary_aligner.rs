//! Word alignment by bilingual dictionaries: links that are unambiguous in both directions (Gaschi
//! et al. 2023).

use std::collections::HashMap;

use rayon::prelude::*;

use crate::{Alignment, Dictionary, SentencePair, WordForm};

/// Dictionary-based word aligner (Gaschi et al. 2023): links words by a bilingual dictionary of
/// each direction, only if the link is unambiguous.
///
/// A word of the left text is linked if
/// 1. exactly one of its translations is a word of the right text,
/// 2. that word occurs there once, and
/// 3. the back-translations of that word have exactly one occurrence in the left text, which is the
///    word itself.
///
/// The result is one-to-one.
/// A word pair that only one of the two dictionaries contains is therefore never linked; if you
/// have a dictionary of one direction only, use [`Dictionary::inverted`] for the other.
///
/// # Source
/// Gaschi et al. 2023, Exploring the Relationship between Alignment and Cross-lingual Transfer in
/// Multilingual Transformers, `find_aligned_words` of the authors' code.
///
/// ```
/// use isogloss_text::{Dictionary, DictionaryAligner};
///
/// let dictionary = Dictionary::from_iter([("the", "die"), ("the", "der"), ("cat", "katze"), ("sees", "sieht"), ("dog", "hund")]);
/// let aligner = DictionaryAligner::new(dictionary.clone(), dictionary.inverted());
/// // Each "the" could be either "die" or "der".
/// assert_eq!(aligner.align("the cat sees the dog", "die Katze sieht der Hund").to_string(), "1-1 2-2 4-4");
/// ```
#[derive(Debug, Clone)]
pub struct DictionaryAligner {
    left_to_right: Dictionary,
    right_to_left: Dictionary,
    form: WordForm,
}

impl DictionaryAligner {
    /// Creates an aligner that lowercases words for lookup.
    pub fn new(left_to_right: Dictionary, right_to_left: Dictionary) -> Self {
        Self { left_to_right, right_to_left, form: WordForm::Lowercase }
    }

    /// Sets the word normalization for lookup, such as [`WordForm::Bare`] for running text; lookup
    /// is always case-insensitive.
    #[must_use]
    pub fn with_form(mut self, form: WordForm) -> Self {
        self.form = form;
        self
    }

    /// Aligns the words of two texts.
    pub fn align(&self, left: &str, right: &str) -> Alignment {
        let left = Words::new(left, self.form);
        let right = Words::new(right, self.form);
        let link = |(left_idx, word): (usize, &String)| {
            let mut found = self.left_to_right.translations(word).iter().filter_map(|candidate| {
                right.positions.get(candidate).map(|positions| (candidate, positions.as_slice()))
            });
            let (Some((translation, &[right_idx])), None) = (found.next(), found.next()) else {
                return None;
            };
            let mut back = self
                .right_to_left
                .translations(translation)
                .iter()
                .flat_map(|source| left.positions.get(source).map_or(&[][..], Vec::as_slice));
            let only = back.next() == Some(&left_idx) && back.next().is_none();
            only.then_some((left_idx, right_idx))
        };
        left.words.iter().enumerate().filter_map(link).collect()
    }

    /// Aligns each sentence pair, in parallel on all threads.
    pub fn align_all(&self, pairs: &[SentencePair]) -> Vec<Alignment> {
        pairs.par_iter().map(|pair| self.align(&pair.left, &pair.right)).collect()
    }
}

/// The normalized words of a text, and the positions of each.
struct Words {
    words: Vec<String>,
    positions: HashMap<String, Vec<usize>>,
}

impl Words {
    fn new(text: &str, form: WordForm) -> Self {
        let words: Vec<String> =
            text.split_whitespace().map(|word| form.normalize(word).to_lowercase()).collect();
        let mut positions: HashMap<String, Vec<usize>> = HashMap::new();
        for (idx, word) in words.iter().enumerate() {
            positions.entry(word.clone()).or_default().push(idx);
        }
        Self { words, positions }
    }
}

#[cfg(test)]
mod tests {
    use super::DictionaryAligner;
    use crate::{Dictionary, WordForm};

    fn aligner(forward: &[(&str, &str)], backward: &[(&str, &str)]) -> DictionaryAligner {
        DictionaryAligner::new(
            forward.iter().copied().collect(),
            backward.iter().copied().collect::<Dictionary>(),
        )
    }

    #[track_caller]
    fn links(aligner: &DictionaryAligner, left: &str, right: &str, expected: &str) {
        assert_eq!(aligner.align(left, right).to_string(), expected);
    }

    #[test]
    fn two_candidates_in_the_other_text_are_in_doubt() {
        let aligner = aligner(&[("a", "x"), ("a", "y")], &[("x", "a"), ("y", "a")]);
        links(&aligner, "a b", "z x", "0-1");
        links(&aligner, "a b", "y x", "");
    }

    #[test]
    fn a_candidate_that_occurs_twice_is_in_doubt() {
        links(&aligner(&[("a", "x")], &[("x", "a")]), "a b", "x x", "");
    }

    #[test]
    fn a_translation_of_two_words_is_in_doubt() {
        let aligner = aligner(&[("a", "x")], &[("x", "a"), ("x", "b")]);
        links(&aligner, "a c", "x", "0-0");
        links(&aligner, "a b", "x", "");
        links(&aligner, "a c a", "x", "");
    }

    #[test]
    fn both_dictionaries_must_have_the_pair() {
        links(&aligner(&[("a", "x")], &[("x", "b")]), "a c", "x", "");
        links(&aligner(&[("a", "x")], &[("x", "b")]), "a b", "x", "");
        links(&aligner(&[], &[("x", "a")]), "a", "x", "");
    }

    #[test]
    fn punctuation_counts_unless_the_form_drops_it() {
        let aligner = aligner(&[("a", "x")], &[("x", "a")]);
        links(&aligner, "A,", "X.", "");
        links(&aligner.with_form(WordForm::Bare), "A,", "X.", "0-0");
    }
}
