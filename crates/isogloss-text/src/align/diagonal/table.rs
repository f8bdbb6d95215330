//! The translation table: probabilities and expected counts of all pairs of words that some pair of texts holds.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::align::bitext::Side;

/// Marks a free slot: no right word.
const FREE: u32 = u32::MAX;

/// Translation probabilities t(right word | left word or none), with the expected counts of the E-step.
#[derive(Debug)]
pub(super) struct Table {
    /// The row of no left word, with an entry for any right word.
    null: Box<[Entry]>,
    rows: Vec<Row>,
    /// The fixed-point scale of counts: the number of parts of one link, a power of two.
    scale: f64,
}

/// The right words of a left word: a hash table with linear probing, each word at the first free slot from its hash on.
///
/// A fifth of the slots stays free, so that a word is mostly found within one cache line.
#[derive(Debug)]
struct Row {
    targets: Box<[u32]>,
    entries: Box<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    probability: f64,
    /// The expected count in fixed point, so that threads can add to it in any order with the same sum.
    count: AtomicU64,
}

impl Table {
    /// Entries for all words that share a pair of texts, all equally likely, with room to count all words of the right texts.
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
            Row::new(&targets, uniform)
        };
        let rows = texts.par_iter().map_init(|| (vec![0; n_targets], 0), row).collect();
        let n_bits = usize::BITS - right.n_words().leading_zeros();
        Self {
            null: entries(n_targets, uniform),
            rows,
            scale: 2f64.powi(63_i32.saturating_sub_unsigned(n_bits)),
        }
    }

    /// The slot of a right word in the row of a left word.
    pub(super) fn slot(&self, source: u32, target: u32) -> Option<usize> {
        self.rows[source as usize].slot(target)
    }

    /// The probability at a slot.
    pub(super) fn at(&self, source: u32, slot: usize) -> f64 {
        self.rows[source as usize].entries[slot].probability
    }

    /// The probability of a right word from no left word.
    pub(super) fn null(&self, target: u32) -> f64 {
        self.null[target as usize].probability
    }

    /// The probability of a right word, if the left word shared a pair of texts with it.
    pub(super) fn probability(&self, source: u32, target: u32) -> Option<f64> {
        self.slot(source, target).map(|slot| self.at(source, slot))
    }

    /// Adds a part of a link to the count at a slot.
    pub(super) fn add(&self, source: u32, slot: usize, n_links: f64) {
        self.rows[source as usize].entries[slot].add(n_links, self.scale);
    }

    /// Adds a part of a link to the count of a right word from no left word.
    pub(super) fn add_null(&self, target: u32, n_links: f64) {
        self.null[target as usize].add(n_links, self.scale);
    }

    /// The sum of all counts.
    #[cfg(test)]
    pub(super) fn n_links(&self) -> f64 {
        let entries = self.rows.iter().flat_map(|row| &row.entries).chain(&self.null);
        entries.map(|entry| entry.count.load(Ordering::Relaxed) as f64 / self.scale).sum()
    }

    /// The M-step: estimates the probabilities from the counts, by maximum likelihood or by variational Bayes with the concentration `alpha`, and counts from zero again.
    pub(super) fn estimate(&mut self, alpha: Option<f64>) {
        let scale = self.scale;
        estimate(self.null.iter_mut(), scale, alpha);
        self.rows.par_iter_mut().for_each(|row| {
            let slots = row.entries.iter_mut().zip(&row.targets);
            let taken = slots.filter(|&(_, &target)| target != FREE).map(|(entry, _)| entry);
            estimate(taken, scale, alpha);
        });
    }
}

impl Row {
    fn new(words: &[u32], probability: f64) -> Self {
        let n_slots = words.len() + words.len() / 4 + 1;
        let mut targets = vec![FREE; n_slots];
        for &word in words {
            let mut slot = first_slot(word, n_slots);
            while targets[slot] != FREE {
                slot = next_slot(slot, n_slots);
            }
            targets[slot] = word;
        }
        Self { targets: targets.into(), entries: entries(n_slots, probability) }
    }

    fn slot(&self, target: u32) -> Option<usize> {
        let mut slot = first_slot(target, self.targets.len());
        loop {
            match self.targets[slot] {
                found if found == target => return Some(slot),
                FREE => return None,
                _ => slot = next_slot(slot, self.targets.len()),
            }
        }
    }
}

impl Entry {
    fn add(&self, n_links: f64, scale: f64) {
        self.count.fetch_add((n_links * scale) as u64, Ordering::Relaxed);
    }
}

fn entries(n: usize, probability: f64) -> Box<[Entry]> {
    (0..n).map(|_| Entry { probability, count: AtomicU64::new(0) }).collect()
}

/// The hash of a word as a slot: multiplicative hashing by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
fn first_slot(word: u32, n_slots: usize) -> usize {
    const GOLDEN: u32 = 0x9e37_79b9;
    ((u64::from(word.wrapping_mul(GOLDEN)) * n_slots as u64) >> 32) as usize
}

fn next_slot(slot: usize, n_slots: usize) -> usize {
    if slot + 1 == n_slots { 0 } else { slot + 1 }
}

fn estimate<'a>(row: impl Iterator<Item = &'a mut Entry>, scale: f64, alpha: Option<f64>) {
    let added = alpha.unwrap_or(0.0);
    let mut row: Vec<_> = row
        .map(|entry| {
            let count = std::mem::take(entry.count.get_mut()) as f64 / scale + added;
            (entry, count)
        })
        .collect();
    let total: f64 = row.iter().map(|(_, count)| count).sum();
    // A word whose links all vanish keeps what it had.
    if total == 0.0 {
        return;
    }
    let log_norm = digamma(total);
    for (entry, count) in &mut row {
        entry.probability = match alpha {
            None => *count / total,
            Some(_) => (digamma(*count) - log_norm).exp(),
        };
    }
}

/// An inverted index: the texts that each word is in, once each.
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

/// The digamma function, the derivative of the log of the gamma function, for positive numbers, to 14 digits.
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
    use super::{Row, Table, digamma};
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
        assert_eq!(table.probability(0, 0), Some(1.0 / 3.0));
        assert_eq!(table.probability(1, 1), Some(1.0 / 3.0));
    }

    #[test]
    fn every_word_of_a_row_has_its_slot() {
        for n in [0, 1, 7, 100, 5000] {
            let words: Vec<u32> = (0..n).map(|word| word * 17).collect();
            let row = Row::new(&words, 0.5);
            let mut slots: Vec<_> = words.iter().map(|&word| row.slot(word).unwrap()).collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), words.len());
            assert_eq!(row.slot(5), None);
        }
    }

    #[test]
    fn probabilities_of_a_word_sum_to_one() {
        let bitext = Bitext::from_pairs([("a b", "x y z")], WordForm::Verbatim);
        let mut table = Table::new(&bitext.left, &bitext.right);
        for (target, n_links) in (0..).zip([0.5, 0.25, 1.0]) {
            table.add(0, table.slot(0, target).unwrap(), n_links);
        }
        table.estimate(None);
        for (target, n_links) in (0..).zip([0.5, 0.25, 1.0]) {
            assert_eq!(table.probability(0, target), Some(n_links / 1.75));
        }
        assert_eq!(table.probability(1, 0), Some(1.0 / 3.0));
    }
}
