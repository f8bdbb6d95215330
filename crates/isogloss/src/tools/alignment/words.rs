//! Word pairs for the measure of word alignment.

use std::collections::HashSet;

use isogloss_text::{Alignment, Link, SentencePair};

use super::options::AlignmentOptions;
use crate::embedding::tokenized_text::TokenizedText;

/// Word pairs: links between words of sentence pairs, with the counts of the search for them.
#[derive(Debug, Default)]
pub(super) struct WordPairs {
    /// The index of the sentence pair, in the order of the search, and the link in it.
    links: Vec<(usize, Link)>,
    /// Number of sentence pairs searched.
    pub(super) n_searched: usize,
    /// Number of searched sentence pairs without a word pair.
    pub(super) n_without: usize,
}

impl WordPairs {
    /// Takes links from sentence pairs until there are `options.n_words`.
    pub(super) fn choose<'a>(
        pairs: impl Iterator<Item = (&'a SentencePair, Alignment)>,
        options: &AlignmentOptions,
    ) -> Self {
        let mut chosen = Self::default();
        let mut seen = [HashSet::new(), HashSet::new()];
        // Lazily: an alignment is computed only for a pair that is searched.
        let mut pairs = pairs.enumerate();
        while chosen.len() < options.n_words {
            let Some((index, (pair, alignment))) = pairs.next() else { break };
            let n_before = chosen.len();
            let words = [&pair.left, &pair.right].map(|text| {
                let words =
                    text.split_whitespace().map(|word| options.form.normalize(word).to_lowercase());
                words.collect::<Vec<_>>()
            });
            for &(left, right) in alignment.one_to_one().links() {
                let (Some(a), Some(b)) = (words[0].get(left), words[1].get(right)) else {
                    continue;
                };
                let is_new =
                    !options.distinct_words || !(seen[0].contains(a) || seen[1].contains(b));
                if a != b && is_new && chosen.len() < options.n_words {
                    seen[0].insert(a.clone());
                    seen[1].insert(b.clone());
                    chosen.links.push((index, (left, right)));
                }
            }
            chosen.n_searched += 1;
            chosen.n_without += usize::from(chosen.len() == n_before);
        }
        chosen
    }

    /// The number of word pairs.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Removes word pairs with a truncated word, which has no token; returns their number.
    pub(super) fn drop_cut_off(&mut self, [left, right]: &[Vec<TokenizedText>; 2]) -> usize {
        let n_before = self.len();
        self.links.retain(|(index, link)| {
            !left[*index].tokens(link.0).is_empty() && !right[*index].tokens(link.1).is_empty()
        });
        n_before - self.len()
    }

    /// The words of one side, 0 or 1: the index of the sentence, and of the word in it.
    pub(super) fn on_side(&self, side: usize) -> Vec<(usize, usize)> {
        let word = |link: &Link| if side == 0 { link.0 } else { link.1 };
        self.links.iter().map(|(index, link)| (*index, word(link))).collect()
    }
}

#[cfg(test)]
mod tests {
    use isogloss_text::read_pairs;

    use super::*;

    fn choose(options: &AlignmentOptions, links: &[&str]) -> WordPairs {
        let text = "The house, Bonn\tdas Haus, Bonn\na b\tx y\nA house\tein Haus\n";
        let pairs = read_pairs(text.as_bytes(), "en-de.tsv".as_ref(), None).unwrap();
        let alignments = links.iter().map(|line| Alignment::parse(line, 9, 9).unwrap());
        WordPairs::choose(pairs.iter().zip(alignments), options)
    }

    const LINKS: [&str; 3] = ["0-0 1-1 2-2", "0-0 0-1", "0-0 1-1"];

    #[test]
    fn links_that_are_many_or_of_one_word_are_left_out_and_counted() {
        let chosen = choose(&AlignmentOptions::default(), &LINKS);
        assert_eq!(chosen.on_side(0), [(0, 0), (0, 1), (2, 0), (2, 1)]);
        assert_eq!(chosen.on_side(1), chosen.on_side(0));
        assert_eq!((chosen.n_searched, chosen.n_without), (3, 1));
    }

    #[test]
    fn the_search_ends_when_there_are_enough() {
        let options = AlignmentOptions { n_words: 2, ..AlignmentOptions::default() };
        let chosen = choose(&options, &LINKS);
        assert_eq!((chosen.len(), chosen.n_searched), (2, 1));
    }

    #[test]
    fn a_distinct_word_is_taken_once_whatever_stands_around_it() {
        let options = AlignmentOptions { distinct_words: true, ..AlignmentOptions::default() };
        let chosen = choose(&options, &LINKS);
        assert_eq!(chosen.on_side(0), [(0, 0), (0, 1), (2, 0)]);
    }
}
