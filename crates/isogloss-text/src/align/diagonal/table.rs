//! Translation probabilities of all words that share a pair of texts.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::align::bitext::Side;

/// The probability that a left word, or none, gives a right word.
///
/// The right words of a left word are sorted, so that one is found by halving; none gives any right word.
#[derive(Debug, Clone)]
pub(super) struct Table {
    null: Box<[f64]>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    targets: Box<[u32]>,
    probabilities: Box<[f64]>,
}

/// How often words are expected to be linked, for each entry of a table.
///
/// A count is a whole number of tiny parts, so that threads can add to it in any order with the same sum.
pub(super) struct Counts {
    null: Box<[AtomicU64]>,
    rows: Vec<Box<[AtomicU64]>>,
    /// The number of parts of one link, a power of two.
    scale: f64,
}

impl Table {
    /// Entries for all words that share a pair of texts, all equally likely.
    pub(super) fn new(left: &Side, right: &Side) -> Self {
        let n_targets = right.n_known();
        let uniform = 1.0 / n_targets as f64;
        let texts = texts_by_word(left);
        let row = |(seen, idx): &mut (Vec<u32>, u32), texts: &Vec<u32>| {
            // A word is marked with the number of the row, so that the marks need not be cleared.
            *idx += 1;
            let mut targets = Vec::new();
            for &text in texts {
                for &target in right.text(text as usize) {
                    if std::mem::replace(&mut seen[target as usize], *idx) != *idx {
                        targets.push(target);
                    }
                }
            }
            targets.sort_unstable();
            let probabilities = vec![uniform; targets.len()].into();
            Row { targets: targets.into(), probabilities }
        };
        let rows = texts.par_iter().map_init(|| (vec![0; n_targets], 0), row).collect();
        Self { null: vec![uniform; n_targets].into(), rows }
    }

    /// Counts of zero, with room for `n_links` links.
    pub(super) fn counts(&self, n_links: usize) -> Counts {
        let zeros = |n: usize| (0..n).map(|_| AtomicU64::new(0)).collect();
        let n_bits = usize::BITS - n_links.leading_zeros();
        Counts {
            null: zeros(self.null.len()),
            rows: self.rows.par_iter().map(|row| zeros(row.targets.len())).collect(),
            // One bit is left for rounding up.
            scale: 2f64.powi(63_i32.saturating_sub_unsigned(n_bits)),
        }
    }

    /// Where the row of a left word has a right word.
    pub(super) fn place(&self, source: u32, target: u32) -> Option<usize> {
        self.rows[source as usize].targets.binary_search(&target).ok()
    }

    pub(super) fn at(&self, source: u32, place: usize) -> f64 {
        self.rows[source as usize].probabilities[place]
    }

    pub(super) fn null(&self, target: u32) -> f64 {
        self.null[target as usize]
    }

    pub(super) fn probability(&self, source: u32, target: u32) -> Option<f64> {
        self.place(source, target).map(|place| self.at(source, place))
    }

    pub(super) fn null_probability(&self, target: u32) -> Option<f64> {
        self.null.get(target as usize).copied()
    }

    /// Estimates the probabilities from counts: by maximum likelihood, or by variational Bayes with the concentration `alpha`.
    pub(super) fn estimate(&mut self, counts: &mut Counts, alpha: Option<f64>) {
        let scale = counts.scale;
        estimate_row(&mut self.null, &mut counts.null, scale, alpha);
        self.rows.par_iter_mut().zip(&mut counts.rows).for_each(|(row, counts)| {
            estimate_row(&mut row.probabilities, counts, scale, alpha);
        });
    }
}

impl Counts {
    pub(super) fn add(&self, source: u32, place: usize, n_links: f64) {
        self.rows[source as usize][place].fetch_add(self.parts(n_links), Ordering::Relaxed);
    }

    pub(super) fn add_null(&self, target: u32, n_links: f64) {
        self.null[target as usize].fetch_add(self.parts(n_links), Ordering::Relaxed);
    }

    fn parts(&self, n_links: f64) -> u64 {
        (n_links * self.scale).round_ties_even() as u64
    }
}

fn estimate_row(
    probabilities: &mut [f64],
    counts: &mut [AtomicU64],
    scale: f64,
    alpha: Option<f64>,
) {
    let added = alpha.unwrap_or(0.0);
    let mut count = |count: &mut AtomicU64| *count.get_mut() as f64 / scale + added;
    let total: f64 = counts.iter_mut().map(&mut count).sum();
    // A word whose links all vanish keeps what it had.
    if total == 0.0 {
        return;
    }
    let log_norm = digamma(total);
    for (probability, counted) in probabilities.iter_mut().zip(counts) {
        *probability = match alpha {
            None => count(counted) / total,
            Some(_) => (digamma(count(counted)) - log_norm).exp(),
        };
    }
}

/// The numbers of the texts that each word is in, once each.
fn texts_by_word(side: &Side) -> Vec<Vec<u32>> {
    let mut texts = vec![Vec::new(); side.n_known()];
    for text in 0..side.n_texts() {
        let idx = u32::try_from(text).expect("four billion texts do not fit in memory");
        for &word in side.text(text) {
            let texts: &mut Vec<u32> = &mut texts[word as usize];
            if texts.last() != Some(&idx) {
                texts.push(idx);
            }
        }
    }
    texts
}

/// The derivative of the log of the gamma function, for positive numbers, to 14 digits.
///
/// # Source
/// Abramowitz and Stegun 1964, 6.3.5 (recurrence) and 6.3.18 (asymptotic series).
fn digamma(mut x: f64) -> f64 {
    let mut shifted = 0.0;
    while x < 10.0 {
        shifted -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = y
        * (1.0 / 12.0
            - y * (1.0 / 120.0
                - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y * (1.0 / 132.0 - y * 691.0 / 32760.0)))));
    shifted + x.ln() - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::{Table, digamma};
    use crate::{Bitext, WordForm};

    #[test]
    fn digamma_has_its_known_values() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        let near = |found: f64, expected: f64| {
            assert!(
                (found - expected).abs() < 1e-13 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        };
        near(digamma(1.0), -EULER);
        near(digamma(0.5), -EULER - 2.0 * 2f64.ln());
        near(digamma(0.25), -EULER - std::f64::consts::FRAC_PI_2 - 3.0 * 2f64.ln());
        near(digamma(101.0), -EULER + (1..=100).map(|k| 1.0 / f64::from(k)).sum::<f64>());
    }

    #[test]
    fn a_table_has_the_words_that_share_a_pair() {
        let bitext = Bitext::from_pairs([("a b a", "x y x"), ("a", "z")], WordForm::Verbatim);
        let table = Table::new(&bitext.left, &bitext.right);
        assert_eq!(table.probability(0, 2), Some(1.0 / 3.0));
        assert_eq!(table.probability(1, 2), None);
        assert_eq!(table.rows.iter().map(|row| row.targets.len()).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn probabilities_of_a_word_sum_to_one() {
        let bitext = Bitext::from_pairs([("a b", "x y z")], WordForm::Verbatim);
        let mut table = Table::new(&bitext.left, &bitext.right);
        let mut counts = table.counts(3);
        for (place, n_links) in [0.5, 0.25, 1.0].into_iter().enumerate() {
            counts.add(0, place, n_links);
        }
        table.estimate(&mut counts, None);
        assert_eq!([0, 1, 2].map(|target| table.at(0, target)), [0.5, 0.25, 1.0].map(|n| n / 1.75));
        assert_eq!(table.at(1, 0), 1.0 / 3.0);
    }
}
