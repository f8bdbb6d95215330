//! Word alignment by the similarity of word embeddings of a multilingual encoder (SimAlign,
//! AWESOME-align).

mod entmax;
mod matching;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::entmax::entmax15_threshold;
use self::matching::max_weight_matching;
use crate::Alignment;
use crate::align::Link;

/// Discount factor on a similarity of which one word is already linked, `alpha_ratio` of SimAlign's
/// code.
const LINKED_WORD_FACTOR: f64 = 0.9;

/// Alignment extraction method (SimAlign, AWESOME-align): how links are extracted from the
/// similarity matrix of the words of two texts.
///
/// The matrix has a row of `n_right` similarities for each left word.
/// For words of several subwords, either extract links between subwords and link two words if any
/// of their subwords are linked, as both sources do, or compare word embeddings.
///
/// ```
/// use isogloss_text::Extraction;
///
/// // Two left words, three right words.
/// let similarities = [9.0, 1.0, 0.0, 2.0, 3.0, 8.0];
/// assert_eq!(Extraction::MutualArgmax.links(&similarities, 3).to_string(), "0-0 1-2");
/// assert_eq!(Extraction::softmax().links(&similarities, 3).to_string(), "0-0 1-1 1-2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Extraction {
    /// Bidirectional softmax (AWESOME-align): links words whose softmax probability is above a
    /// threshold both over all right words and over all left words.
    ///
    /// # Source
    /// Dou and Neubig 2021, Word Alignment by Fine-tuning Embeddings on Parallel Corpora, §2.2,
    /// arXiv:2101.08231, where the similarity is a dot product, not a cosine.
    Softmax {
        /// The probability threshold, exclusive.
        threshold: f64,
    },
    /// Bidirectional 1.5-entmax (AWESOME-align): as the softmax, with a sparse distribution in its
    /// place, so that most probabilities are exactly 0.
    ///
    /// # Source
    /// Dou and Neubig 2021, §2.2, arXiv:2101.08231; 1.5-entmax of Peters et al. 2019,
    /// arXiv:1905.05702, as in the authors' code.
    Entmax {
        /// The probability threshold, exclusive.
        threshold: f64,
    },
    /// Mutual argmax (SimAlign): links words that are each other's most similar word, the first on
    /// a tie.
    ///
    /// # Source
    /// Jalili Sabet et al. 2020, SimAlign: High Quality Word Alignments without Parallel Training
    /// Data using Static and Contextualized Embeddings, §2.1, arXiv:2004.08728; `inter` in the
    /// authors' code.
    MutualArgmax,
    /// Itermax (SimAlign), an iterated mutual argmax: in each further round, a linked word can get
    /// one more link, to an unlinked word.
    ///
    /// The similarities must not be negative; SimAlign takes (cosine + 1) / 2.
    ///
    /// # Source
    /// Jalili Sabet et al. 2020, §2.2 and algorithm 1, with the authors' discount factor 0.9 for
    /// linked words.
    /// As in their code, texts of one or two words have only the first round.
    Itermax {
        /// The maximum number of rounds, the first included; 2 in the authors' code.
        rounds: usize,
    },
    /// Maximum weight matching (SimAlign, `mwmf`): as many one-to-one links as the shorter text has
    /// words, of the greatest sum of similarities.
    ///
    /// # Source
    /// Jalili Sabet et al. 2020, §2.3, arXiv:2004.08728; `mwmf` in the authors' code, which takes
    /// (cosine + 1) / 2.
    MaxWeightMatching,
}

/// Alignment unit: words or subwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkUnit {
    /// Subwords; words are linked if any of their subwords are, as AWESOME-align and SimAlign do.
    #[default]
    Subword,
    /// Words, as the means of their subwords.
    Word,
}

impl Extraction {
    /// [`Extraction::Softmax`] with the threshold of the authors' code, 0.001.
    pub fn softmax() -> Self {
        Self::Softmax { threshold: 0.001 }
    }

    /// [`Extraction::Entmax`] with the threshold of the authors' code, 0.
    pub fn entmax() -> Self {
        Self::Entmax { threshold: 0.0 }
    }

    /// [`Extraction::Itermax`] with the rounds of the authors' code, 2.
    pub fn itermax() -> Self {
        Self::Itermax { rounds: 2 }
    }

    /// Whether the similarity is the dot product, as in AWESOME-align, and not a cosine.
    pub fn compares_dot_products(self) -> bool {
        matches!(self, Self::Softmax { .. } | Self::Entmax { .. })
    }

    /// Validates the options: the field name and the reason of each invalid value.
    pub fn faults(self) -> Vec<(&'static str, String)> {
        let threshold = |field, threshold: f64| {
            let problem = format!("expected [0, 1), found {threshold}");
            (!(0.0..1.0).contains(&threshold)).then_some((field, problem))
        };
        let fault = match self {
            Self::Softmax { threshold: t } => threshold("softmax.threshold", t),
            Self::Entmax { threshold: t } => threshold("entmax.threshold", t),
            Self::Itermax { rounds: 0 } => {
                Some(("itermax.rounds", "expected at least 1, found 0".to_owned()))
            }
            Self::MutualArgmax | Self::Itermax { .. } | Self::MaxWeightMatching => None,
        };
        fault.into_iter().collect()
    }

    /// Extracts the links from the similarity matrix of the words of two texts.
    ///
    /// A NaN similarity gives no link.
    ///
    /// # Shapes
    /// - `similarities`: `[n_left, n_right]`, row by row; greater is more similar
    ///
    /// # Panics
    /// If the similarities are not whole rows of `n_right`.
    pub fn links(self, similarities: &[f32], n_right: usize) -> Alignment {
        // No number but 0 is a multiple of 0.
        assert!(
            similarities.len().is_multiple_of(n_right),
            "{} similarities are not rows of {n_right}",
            similarities.len()
        );
        if similarities.is_empty() {
            return Alignment::default();
        }
        let matrix = Matrix { n_left: similarities.len() / n_right, n_right, similarities };
        match self {
            Self::Softmax { threshold } => matrix.softmax_links(threshold),
            Self::Entmax { threshold } => matrix.entmax_links(threshold),
            Self::MutualArgmax => matrix.mutual_argmax(|_, similarity| similarity).collect(),
            Self::Itermax { rounds } => matrix.itermax(rounds),
            Self::MaxWeightMatching => max_weight_matching(similarities, n_right),
        }
    }
}

struct Matrix<'a> {
    n_left: usize,
    n_right: usize,
    similarities: &'a [f32],
}

impl Matrix<'_> {
    fn at(&self, (left, right): Link) -> f64 {
        f64::from(self.similarities[left * self.n_right + right])
    }

    fn row(&self, left: usize) -> impl Iterator<Item = Link> + Clone {
        (0..self.n_right).map(move |right| (left, right))
    }

    fn column(&self, right: usize) -> impl Iterator<Item = Link> + Clone {
        (0..self.n_left).map(move |left| (left, right))
    }

    fn softmax_links(&self, threshold: f64) -> Alignment {
        // Log-softmax: a probability is exp(similarity - norm), where norm is the log-sum-exp.
        let norm = |links: &mut dyn Iterator<Item = Link>| {
            let similarities: Vec<f64> = links.map(|link| self.at(link)).collect();
            let greatest = similarities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 =
                similarities.iter().map(|similarity| (similarity - greatest).exp()).sum();
            greatest + sum.ln()
        };
        let rows: Vec<f64> = (0..self.n_left).map(|left| norm(&mut self.row(left))).collect();
        let columns: Vec<f64> =
            (0..self.n_right).map(|right| norm(&mut self.column(right))).collect();
        let likely = |&(left, right): &Link| {
            let similarity = self.at((left, right));
            (similarity - rows[left]).exp() > threshold
                && (similarity - columns[right]).exp() > threshold
        };
        (0..self.n_left).flat_map(|left| self.row(left)).filter(likely).collect()
    }

    fn entmax_links(&self, threshold: f64) -> Alignment {
        let norm = |links: &mut dyn Iterator<Item = Link>| {
            entmax15_threshold(links.map(|link| self.at(link)).collect())
        };
        let rows: Vec<f64> = (0..self.n_left).map(|left| norm(&mut self.row(left))).collect();
        let columns: Vec<f64> =
            (0..self.n_right).map(|right| norm(&mut self.column(right))).collect();
        let probability = |link: Link, least: f64| (0.5 * self.at(link) - least).max(0.0).powi(2);
        let likely = |&link: &Link| {
            probability(link, rows[link.0]) > threshold
                && probability(link, columns[link.1]) > threshold
        };
        (0..self.n_left).flat_map(|left| self.row(left)).filter(likely).collect()
    }

    /// The links that are the argmax of their row and of their column, after `adjust`.
    fn mutual_argmax(&self, adjust: impl Fn(Link, f64) -> f64) -> impl Iterator<Item = Link> {
        let greatest = |links: &mut dyn Iterator<Item = Link>| {
            let mut best: Option<(f64, Link)> = None;
            for link in links {
                let similarity = adjust(link, self.at(link));
                if !similarity.is_nan() && best.is_none_or(|(most, _)| similarity > most) {
                    best = Some((similarity, link));
                }
            }
            best.map(|(_, link)| link)
        };
        let of_columns: Vec<Option<Link>> =
            (0..self.n_right).map(|right| greatest(&mut self.column(right))).collect();
        let of_rows: Vec<Option<Link>> =
            (0..self.n_left).map(|left| greatest(&mut self.row(left))).collect();
        of_rows.into_iter().flatten().filter(move |&link| of_columns[link.1] == Some(link))
    }

    fn itermax(&self, rounds: usize) -> Alignment {
        let mut links: Vec<Link> = self.mutual_argmax(|_, similarity| similarity).collect();
        if self.n_left.min(self.n_right) <= 2 {
            return links.into_iter().collect();
        }
        for _ in 1..rounds {
            let mut left_linked = vec![false; self.n_left];
            let mut right_linked = vec![false; self.n_right];
            for &(left, right) in &links {
                left_linked[left] = true;
                right_linked[right] = true;
            }
            if left_linked.iter().all(|&linked| linked) || right_linked.iter().all(|&linked| linked)
            {
                break;
            }
            let factor = |(left, right): Link| match (left_linked[left], right_linked[right]) {
                (false, false) => 1.0,
                (true, true) => 0.0,
                _ => LINKED_WORD_FACTOR,
            };
            let n_before = links.len();
            let added: Vec<Link> = self
                .mutual_argmax(|link, similarity| factor(link) * similarity)
                .filter(|&link| factor(link) > 0.0)
                .collect();
            links.extend(added);
            if links.len() == n_before {
                break;
            }
        }
        links.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
