//! Word alignment by bilingual dictionaries: links of words that have one candidate in the other text
//! (Gaschi et al. 2023).

use std::collections::HashMap;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Alignment, Dictionary, SentencePair, WordForm};

/// Dictionary-based word aligner (Gaschi et al. 2023): links words by a bilingual dictionary of
/// each direction, only if the link is unambiguous.
///
/// A word of the left text is linked if
/// 1. exactly one of its translations is a word of the right text,
/// 2. that word occurs there once, and
/// 3. the back-translations of that word have exactly one occurrence in the left text, which by
///    [`DictionaryRule::Mutual`] is the word itself.
///
/// If you have a dictionary of one direction only, use [`Dictionary::inverted`] for the other; both
/// rules then give the same links.
///
/// # Source
/// Gaschi et al. 2023, Exploring the Relationship between Alignment and Cross-lingual Transfer in
/// Multilingual Transformers: `find_aligned_words` of the authors' code is
/// [`DictionaryRule::AuthorsCode`], on words as [`WordForm`] normalizes them, where theirs come from
/// a tokenizer of each language.
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
    rule: DictionaryRule,
}

/// Back-translation rule of a [`DictionaryAligner`]: which word of the left text the translation of a
/// word must lead back to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DictionaryRule {
    /// To the word itself and no other one: a word pair that only one of the two dictionaries has
    /// is never linked, and links are one-to-one. This is not the authors' rule.
    #[default]
    Mutual,
    /// To exactly one word of the left text, whichever: the rule of Gaschi et al.'s code. Several
    /// words can be linked to one.
    AuthorsCode,
}

impl DictionaryAligner {
    /// Creates an aligner that lowercases words for lookup.
    pub fn new(left_to_right: Dictionary, right_to_left: Dictionary) -> Self {
        let (form, rule) = (WordForm::Lowercase, DictionaryRule::default());
        Self { left_to_right, right_to_left, form, rule }
    }

    /// Sets the back-translation rule.
    #[must_use]
    pub fn with_rule(mut self, rule: DictionaryRule) -> Self {
        self.rule = rule;
        self
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
            let (first, second) = (back.next(), back.next());
            let leads_back = match self.rule {
                DictionaryRule::Mutual => first == Some(&left_idx),
                DictionaryRule::AuthorsCode => first.is_some(),
            };
            (leads_back && second.is_none()).then_some((left_idx, right_idx))
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
    use super::{DictionaryAligner, DictionaryRule};
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

    /// Links of `find_aligned_words` in the authors' code.
    #[test]
    fn the_authors_ask_for_one_back_translation_of_any_word() {
        for (forward, backward, left, right, authors, mutual) in [
            (&[("a", "x")][..], &[("x", "b")][..], "a b", "x", "0-0", ""),
            (&[("a", "x")], &[("x", "b")], "a c", "x", "", ""),
            (&[("a", "x")], &[("x", "b")], "a b b", "x", "", ""),
            (&[("a", "x"), ("b", "x")], &[("x", "a")], "a b", "x", "0-0 1-0", "0-0"),
            (&[("a", "x"), ("b", "x")], &[("x", "a"), ("x", "b")], "a b", "x", "", ""),
            (
                &[("a", "x"), ("b", "y")],
                &[("x", "a"), ("y", "b")],
                "b a",
                "x y",
                "0-1 1-0",
                "0-1 1-0",
            ),
        ] {
            let aligner = aligner(forward, backward);
            links(&aligner, left, right, mutual);
            links(&aligner.with_rule(DictionaryRule::AuthorsCode), left, right, authors);
        }
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
