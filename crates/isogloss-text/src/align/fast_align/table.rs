//! Translation table of the IBM models: probabilities and expected counts of all word pairs that
//! co-occur in a pair of texts.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::align::bitext::Side;

/// Marker of a free slot, without a right word.
const FREE: u32 = u32::MAX;

/// Translation table: the probabilities t(right word | left word or NULL), with the expected counts
/// of the E-step.
#[derive(Debug)]
pub(super) struct Table {
    /// The row of the NULL word, with an entry for every right word.
    null: Box<[Entry]>,
    rows: Vec<Row>,
    /// Fixed-point scale of the counts: the number of units per link, a power of two.
    scale: f64,
}

/// Hash table with linear probing: the right words of one left word, each in the first free slot
/// from its hash on.
///
/// A fifth of the slots stays free, so that most lookups stay within one cache line.
#[derive(Debug)]
struct Row {
    targets: Box<[u32]>,
    entries: Box<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    probability: f64,
    /// Expected count in fixed point, so that its sum does not depend on the order in which threads
    /// add to it.
    count: AtomicU64,
}

impl Table {
    /// Uniform initialization: an entry for each word pair that co-occurs in a pair of texts, and
    /// counts that can hold the number of words of the right texts.
    pub(super) fn new(left: &Side, right: &Side) -> Self {
        let n_targets = right.n_known();
        let uniform = 1.0 / n_targets as f64;
        let texts = texts_by_word(left);
        let row = |(seen, idx): &mut (Vec<u32>, u32), texts: &Vec<u32>| {
            // Seen words are marked with the row number, so that the marks need no reset between
            // rows.
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

    /// Looks up the slot of a right word in the row of a left word.
    pub(super) fn slot(&self, source: u32, target: u32) -> Option<usize> {
        self.rows[source as usize].slot(target)
    }

    /// The translation probability at a slot.
    pub(super) fn at(&self, source: u32, slot: usize) -> f64 {
        self.rows[source as usize].entries[slot].probability
    }

    /// Translation probability of a right word given the NULL word.
    pub(super) fn null(&self, target: u32) -> f64 {
        self.null[target as usize].probability
    }

    /// Translation probability of a right word given a left word; `None` if they do not co-occur in
    /// a pair of texts.
    pub(super) fn probability(&self, source: u32, target: u32) -> Option<f64> {
        self.slot(source, target).map(|slot| self.at(source, slot))
    }

    /// Adds a fraction of a link to the expected count at a slot.
    pub(super) fn add(&self, source: u32, slot: usize, n_links: f64) {
        self.rows[source as usize].entries[slot].add(n_links, self.scale);
    }

    /// Adds a fraction of a link to the expected count of a right word given the NULL word.
    pub(super) fn add_null(&self, target: u32, n_links: f64) {
        self.null[target as usize].add(n_links, self.scale);
    }

    /// The sum of all expected counts.
    #[cfg(test)]
    pub(super) fn n_links(&self) -> f64 {
        let entries = self.rows.iter().flat_map(|row| &row.entries).chain(&self.null);
        entries.map(|entry| entry.count.load(Ordering::Relaxed) as f64 / self.scale).sum()
    }

    /// M-step of EM: estimates the probabilities from the counts, by maximum likelihood or by
    /// variational Bayes with the concentration `alpha`, and resets the counts.
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

/// Multiplicative (Fibonacci) hashing of a word to a slot (Knuth, The Art of Computer Programming,
/// 6.4).
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
    // A row without any count keeps its probabilities.
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

/// Inverted index: the texts that contain each word, without duplicates.
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

/// Digamma function, the derivative of the log-gamma function, for positive numbers, to 14 digits.
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
