//! Cross-lingual sentence retrieval (Tatoeba) and bitext mining, by sentence embeddings.

use std::collections::{HashMap, HashSet};

use burn::tensor::Device;
pub use isogloss_report::BidirectionalAccuracy;
use serde::{Deserialize, Serialize};

use crate::embedding::search::{Neighbors, Vectors, nearest_both_ways, nearest_by_margin};

/// Similarity score of sentence retrieval: cosine or ratio margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoring {
    /// The cosine, as Tatoeba is scored.
    #[default]
    Cosine,
    /// The ratio margin, as [`nearest_by_margin`] defines it.
    Margin,
}

impl Scoring {
    /// Sentence retrieval: the nearest sentence on the other side, from left to right and from
    /// right to left.
    ///
    /// Both sides must be normalized.
    pub fn nearest(self, left: &Vectors, right: &Vectors, device: &Device) -> [Neighbors; 2] {
        match self {
            Self::Cosine => nearest_both_ways(left, right, 1, device),
            Self::Margin => nearest_by_margin(left, right, 1, device),
        }
    }
}

/// Parallel texts: text n of the left side is the translation of text n of the right side.
#[derive(Clone, Debug)]
pub struct PairTexts<'a> {
    left: Vec<&'a str>,
    right: Vec<&'a str>,
    /// Distractors: texts of each side that are in no pair.
    others: [Vec<&'a str>; 2],
}

impl<'a> FromIterator<(&'a str, &'a str)> for PairTexts<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let (left, right) = pairs.into_iter().unzip();
        Self { left, right, others: Default::default() }
    }
}

impl<'a> PairTexts<'a> {
    /// Adds distractors: texts of each side without a translation, which bitext mining must not
    /// pair.
    #[must_use]
    pub fn among(mut self, others: [Vec<&'a str>; 2]) -> Self {
        self.others = others;
        self
    }

    /// The texts of the left side.
    pub fn left(&self) -> &[&'a str] {
        &self.left
    }

    /// The texts of the right side.
    pub fn right(&self) -> &[&'a str] {
        &self.right
    }

    /// Number of duplicate texts on each side.
    pub fn n_repeated(&self) -> [usize; 2] {
        [&self.left, &self.right].map(|side| side.len() - side.iter().collect::<HashSet<_>>().len())
    }

    /// Retrieval accuracy (Tatoeba): the share of sentences whose nearest sentence is the
    /// translation, in each direction.
    ///
    /// A duplicate of the translation counts as the translation, since equal texts have equal
    /// vectors. Another translation of a duplicate text does not count.
    ///
    /// # Panics
    /// If there is not one vector for each text.
    pub fn accuracy(
        &self,
        left: &Vectors,
        right: &Vectors,
        scoring: Scoring,
        device: &Device,
    ) -> BidirectionalAccuracy {
        let n = self.left.len();
        assert_eq!([left.len(), right.len()], [n, n], "each text has one vector");
        let [forward, backward] = scoring.nearest(left, right, device);
        let finds = |neighbors: &Neighbors, texts: &[&str], at: usize| {
            neighbors.first(at).is_some_and(|(found, _)| texts[found] == texts[at])
        };
        let is_right: [&dyn Fn(usize) -> bool; 2] =
            [&|at| finds(&forward, &self.right, at), &|at| finds(&backward, &self.left, at)];
        BidirectionalAccuracy::from_answers(n, is_right)
    }

    /// The distinct texts of each side, without the pairing: the input of bitext mining.
    #[must_use]
    pub fn unpaired(&self) -> [Vec<&'a str>; 2] {
        let [left, right] = &self.others;
        [(&self.left, left), (&self.right, right)].map(|(side, more)| {
            let mut seen = HashSet::new();
            side.iter().chain(more).copied().filter(|text| seen.insert(*text)).collect()
        })
    }

    /// Bitext mining scores of mined pairs, given as indices in [`unpaired`](Self::unpaired).
    pub fn score_mined(&self, mined: &[MinedPair]) -> MiningScores {
        let indices = self.unpaired().map(|side| {
            side.into_iter().enumerate().map(|(at, text)| (text, at)).collect::<HashMap<_, _>>()
        });
        let pairs = self.left.iter().zip(&self.right);
        let gold: HashSet<_> = pairs.map(|(l, r)| (indices[0][l], indices[1][r])).collect();
        let n_right = mined.iter().filter(|pair| gold.contains(&(pair.left, pair.right))).count();
        let ratio = |whole: usize| if whole == 0 { 0.0 } else { n_right as f64 / whole as f64 };
        let (precision, recall) = (ratio(mined.len()), ratio(gold.len()));
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        MiningScores { precision, recall, f1 }
    }
}

/// Mined sentence pair: two texts that are mutual nearest neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinedPair {
    /// The index of the text on the left.
    pub left: usize,
    /// The index of the text on the right.
    pub right: usize,
    /// Their ratio margin.
    pub margin: f32,
}

/// Bitext mining scores: precision, recall and F1 of mined pairs against the true pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiningScores {
    /// The share of mined pairs that are true.
    pub precision: f64,
    /// The share of true pairs that were mined.
    pub recall: f64,
    /// Their harmonic mean; 0 when both are.
    pub f1: f64,
}

/// Margin-based bitext mining (Artetxe and Schwenk 2019): the pairs of texts that are mutual
/// nearest neighbours by margin, with a margin of at least `threshold`, the largest margin first.
///
/// Both sides must be normalized and without repeated texts, which would share their margins.
///
/// # Source
/// Artetxe and Schwenk 2019, arXiv:1811.01136, with the intersection of both directions.
pub fn mine(left: &Vectors, right: &Vectors, threshold: f32, device: &Device) -> Vec<MinedPair> {
    let [forward, backward] = nearest_by_margin(left, right, 1, device);
    let pair = |left: usize| {
        let (right, margin) = forward.first(left)?;
        let is_mutual = backward.first(right)?.0 == left;
        (is_mutual && margin >= threshold).then_some(MinedPair { left, right, margin })
    };
    let mut mined: Vec<MinedPair> = (0..left.len()).filter_map(pair).collect();
    mined.sort_by(|a, b| b.margin.total_cmp(&a.margin));
    mined
}

#[cfg(test)]
mod tests {
    use isogloss_kernels::normal;

    use super::*;

    /// Random vectors, and noisy copies of them as translations.
    fn planted(n: u64, noise: f64) -> [Vectors; 2] {
        const WIDTH: u64 = 16;
        let values = |seed: u64| (0..n * WIDTH).map(move |at| normal(seed, at));
        let left: Vec<f32> = values(1).map(|x| x as f32).collect();
        let right = values(1).zip(values(2)).map(|(x, e)| (x + noise * e) as f32).collect();
        [left, right].map(|side| Vectors::new(side, WIDTH as usize).unwrap().normalized())
    }

    #[test]
    fn planted_translations_are_found_and_lost_in_noise() {
        let texts: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        let texts: PairTexts<'_> = texts.iter().map(|t| (t.as_str(), t.as_str())).collect();
        for scoring in [Scoring::Cosine, Scoring::Margin] {
            let accuracy = |noise| {
                let [left, right] = planted(300, noise);
                texts.accuracy(&left, &right, scoring, &Device::flex())
            };
            assert_eq!(accuracy(0.1), BidirectionalAccuracy { forward: 1.0, backward: 1.0 });
            let lost = accuracy(100.0);
            assert!(lost.mean() < 0.05, "{scoring:?}: {lost:?}");
        }
    }

    #[test]
    fn the_text_of_the_translation_counts_wherever_it_stands() {
        // Both left texts are translated by "ja"; the nearest of the second is the first "ja".
        let texts = PairTexts::from_iter([("yes", "ja"), ("yeah", "ja"), ("no", "nein")]);
        let left = Vectors::new(vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0], 2).unwrap();
        let right = Vectors::new(vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0], 2).unwrap();
        let found = texts.accuracy(&left, &right, Scoring::Cosine, &Device::flex());
        // Backward, both "ja" find "yes", which is not "yeah".
        assert_eq!(found, BidirectionalAccuracy { forward: 1.0, backward: 2.0 / 3.0 });
        assert_eq!(texts.n_repeated(), [0, 1]);
        assert_eq!(texts.unpaired()[1], ["ja", "nein"]);
    }

    #[test]
    fn mining_finds_planted_pairs_and_leaves_what_has_none() {
        let [left, right] = planted(60, 0.1);
        // The last ten of the right have no translation on the left.
        let fewer = Vectors::new(left.values()[..50 * 16].to_vec(), 16).unwrap();
        let mined = mine(&fewer, &right, 1.1, &Device::flex());
        assert_eq!(mined.len(), 50);
        assert!(mined.iter().all(|pair| pair.left == pair.right && pair.margin >= 1.1));
        assert!(mined.is_sorted_by(|a, b| a.margin >= b.margin));
        assert!(mine(&fewer, &right, 100.0, &Device::flex()).is_empty());
    }

    #[test]
    fn mined_pairs_are_scored_against_all_true_ones() {
        // Two equal pairs are one; the text "b" has two translations.
        let texts = PairTexts::from_iter([("a", "x"), ("a", "x"), ("b", "y"), ("b", "z")]);
        let pair = |left, right| MinedPair { left, right, margin: 1.0 };
        let scores = texts.score_mined(&[pair(0, 0), pair(1, 0)]);
        assert_eq!((scores.precision, scores.recall), (0.5, 1.0 / 3.0));
        assert!((scores.f1 - 0.4).abs() < 1e-15);
        // A mined pair with a distractor is wrong.
        let texts = texts.among([vec!["a", "c"], Vec::new()]);
        assert_eq!(texts.unpaired(), [vec!["a", "b", "c"], vec!["x", "y", "z"]]);
        assert_eq!(texts.score_mined(&[pair(0, 0), pair(1, 1), pair(2, 2)]).precision, 2.0 / 3.0);
        assert_eq!(texts.score_mined(&[]), MiningScores { precision: 0.0, recall: 0.0, f1: 0.0 });
    }
}
