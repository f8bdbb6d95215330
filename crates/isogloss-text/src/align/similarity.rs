//! Word alignment by the similarity of word embeddings of a multilingual encoder (SimAlign,
//! AWESOME-align).

use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
        threshold: f32,
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
}

impl Extraction {
    /// [`Extraction::Softmax`] with the threshold of the authors' code, 0.001.
    pub fn softmax() -> Self {
        Self::Softmax { threshold: 0.001 }
    }

    /// [`Extraction::Itermax`] with the rounds of the authors' code, 2.
    pub fn itermax() -> Self {
        Self::Itermax { rounds: 2 }
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
            Self::Softmax { threshold } => matrix.softmax_links(f64::from(threshold)),
            Self::MutualArgmax => matrix.mutual_argmax(|_, similarity| similarity).collect(),
            Self::Itermax { rounds } => matrix.itermax(rounds),
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
mod tests {
    use serde::Deserialize;

    use super::Extraction;

    /// Reference links of SimAlign's code and of the AWESOME-align rule, from
    /// `tests/fixtures/make/word_alignment.py`.
    #[derive(Deserialize)]
    struct Reference {
        matrices: Vec<Matrix>,
    }

    #[derive(Deserialize)]
    struct Matrix {
        rows: Vec<Vec<f32>>,
        inter: String,
        itermax: String,
        softmax: String,
    }

    #[test]
    fn links_are_those_of_the_authors() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/word_similarity.json");
        let reference: Reference = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for Matrix { rows, inter, itermax, softmax } in reference.matrices {
            let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            links(Extraction::MutualArgmax, &rows, &inter);
            links(Extraction::itermax(), &rows, &itermax);
            let scaled: Vec<f32> = rows.concat().iter().map(|x| 10.0 * x).collect();
            let found = Extraction::softmax().links(&scaled, rows[0].len());
            assert_eq!(found.to_string(), softmax);
        }
    }

    #[track_caller]
    fn links(extraction: Extraction, rows: &[&[f32]], expected: &str) {
        assert_eq!(extraction.links(&rows.concat(), rows[0].len()).to_string(), expected);
    }

    #[test]
    fn only_mutual_choices_are_linked() {
        let rows: [&[f32]; 2] = [&[0.9, 0.2], &[0.8, 0.1]];
        links(Extraction::MutualArgmax, &rows, "0-0");
    }

    #[test]
    fn the_first_wins_a_tie() {
        links(Extraction::MutualArgmax, &[&[0.5, 0.5], &[0.5, 0.5]], "0-0");
    }

    #[test]
    fn both_probabilities_must_pass_the_threshold() {
        // Of the first row, the second word has 1 / (1 + e^2) = 0.12; of its column, e^-4 / (1 +
        // e^-4) = 0.018.
        let rows: [&[f32]; 2] = [&[2.0, 0.0], &[-9.0, 4.0]];
        links(Extraction::Softmax { threshold: 0.017 }, &rows, "0-0 0-1 1-1");
        links(Extraction::Softmax { threshold: 0.019 }, &rows, "0-0 1-1");
    }

    #[test]
    fn great_similarities_do_not_overflow() {
        links(Extraction::softmax(), &[&[1e30, 0.0], &[0.0, 1e30]], "0-0 1-1");
    }

    #[test]
    fn a_second_round_links_what_is_left() {
        let rows: [&[f32]; 3] = [&[0.9, 0.8, 0.1], &[0.85, 0.5, 0.2], &[0.1, 0.3, 0.6]];
        // The first round links 0-0 and 2-2. Then 0-1 has 0.72, 1-0 has 0.765 and 1-1 has 0.5:
        // row 1 chooses column 0 and column 0 row 1, row 0 chooses column 1 and column 1 row 0.
        links(Extraction::Itermax { rounds: 1 }, &rows, "0-0 2-2");
        links(Extraction::itermax(), &rows, "0-0 0-1 1-0 2-2");
    }

    #[test]
    fn short_texts_have_one_round() {
        let rows: [&[f32]; 2] = [&[0.9, 0.8, 0.7], &[0.6, 0.1, 0.2]];
        links(Extraction::itermax(), &rows, "0-0");
    }

    #[test]
    fn nothing_links_nothing() {
        assert!(Extraction::softmax().links(&[], 0).is_empty());
        assert!(Extraction::MutualArgmax.links(&[], 4).is_empty());
        links(Extraction::MutualArgmax, &[&[f32::NAN]], "");
        links(Extraction::softmax(), &[&[f32::NAN]], "");
    }
}
