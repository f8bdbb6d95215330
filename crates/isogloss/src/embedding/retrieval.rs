//! Cross-lingual sentence retrieval (Tatoeba) and bitext mining, by sentence embeddings.

use std::collections::{HashMap, HashSet};

use burn::tensor::Device;
pub use isogloss_report::BidirectionalAccuracy;
use serde::{Deserialize, Serialize};

use crate::embedding::search::{Neighbors, Vectors, nearest_both_ways, nearest_by_margin};
use crate::embedding::tokenized_text::TokenizedText;

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
    /// Token ids of the texts of each side, if they are known.
    ids: Option<[Vec<&'a [u32]>; 2]>,
}

impl<'a> FromIterator<(&'a str, &'a str)> for PairTexts<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let (left, right) = pairs.into_iter().unzip();
        Self { left, right, others: Default::default(), ids: None }
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

    /// Sets the tokens of the texts, by which [`accuracy`](Self::accuracy) knows the texts that the
    /// model cannot tell apart.
    ///
    /// # Panics
    /// If there is not one tokenized text for each text.
    #[must_use]
    pub fn with_tokens(mut self, tokenized: [&'a [TokenizedText]; 2]) -> Self {
        assert_eq!(tokenized.map(<[_]>::len), [self.left.len(); 2], "each text has its tokens");
        let ids = |text: &'a TokenizedText| text.encoded().ids.as_slice();
        self.ids = Some(tokenized.map(|side| side.iter().map(ids).collect()));
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
    /// vectors. Another translation of a duplicate text does not count. Of unlike texts with equal
    /// [tokens](Self::with_tokens), cut or unknown, any is as near, so that finding one of them counts
    /// as the share of the translation among them, whatever their order.
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
        let mean = |neighbors: &Neighbors, texts: &[&str], side: usize| {
            let alike = Alike::new(texts, self.ids.as_ref().map(|ids| &*ids[side]));
            let found = |at| neighbors.first(at).map(|(found, _)| found);
            let shares = (0..n).filter_map(|at| Some(alike.share_of(texts[at], found(at)?)));
            shares.sum::<f64>() / n.max(1) as f64
        };
        BidirectionalAccuracy {
            forward: mean(&forward, &self.right, 1),
            backward: mean(&backward, &self.left, 0),
        }
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

/// Groups of texts that a model cannot tell apart.
struct Alike<'a> {
    /// The group of each text.
    groups: Vec<Group<'a>>,
    /// Number of texts of each group, in all and by text.
    sizes: HashMap<Group<'a>, (usize, HashMap<&'a str, usize>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Group<'a> {
    Text(&'a str),
    Tokens(&'a [u32]),
}

impl<'a> Alike<'a> {
    fn new(texts: &[&'a str], ids: Option<&[&'a [u32]]>) -> Self {
        let groups: Vec<Group<'_>> = match ids {
            Some(ids) => ids.iter().copied().map(Group::Tokens).collect(),
            None => texts.iter().copied().map(Group::Text).collect(),
        };
        let mut sizes = HashMap::<_, (usize, HashMap<_, usize>)>::new();
        for (group, text) in groups.iter().zip(texts) {
            let (n, by_text) = sizes.entry(*group).or_default();
            *n += 1;
            *by_text.entry(*text).or_default() += 1;
        }
        Self { groups, sizes }
    }

    /// The share of texts equal to `wanted` among those that cannot be told from text `found`.
    fn share_of(&self, wanted: &str, found: usize) -> f64 {
        let (n, by_text) = &self.sizes[&self.groups[found]];
        by_text.get(wanted).map_or(0.0, |n_wanted| *n_wanted as f64 / *n as f64)
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
    use isogloss_text::Encoded;

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
    fn texts_with_equal_tokens_share_a_hit_whatever_their_order() {
        // "x" and "y" have one vector and the same tokens; "z" has its own.
        let ids = [vec![1, 3, 2], vec![1, 3, 2], vec![1, 4, 2]];
        let side = Vectors::new(vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0], 2).unwrap();
        for pairs in [[("x", "a"), ("y", "b"), ("z", "c")], [("y", "b"), ("x", "a"), ("z", "c")]] {
            let tokenized = ids
                .clone()
                .map(|ids| TokenizedText::new("", Encoded { ids, ..Encoded::default() }, &[]));
            let texts = PairTexts::from_iter(pairs).with_tokens([&tokenized, &tokenized]);
            let found = texts.accuracy(&side, &side, Scoring::Cosine, &Device::flex());
            assert_eq!(found, BidirectionalAccuracy { forward: 2.0 / 3.0, backward: 2.0 / 3.0 });
        }
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
