//! Dropout masks by a counter-based random number generator.
//!
//! The mask bit of element `i` is a hash of `(seed, i)`, so any part of a mask can be drawn alone,
//! in any order, on any thread.

use isogloss_random::split_seed;

/// Dropout rate, and the seed of the mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Probability of dropping an element, in `[0, 1)`.
    pub rate: f32,
    /// Seed of the mask; equal seeds and shapes give equal masks.
    pub seed: u64,
}

impl Dropout {
    /// No dropout.
    pub const OFF: Self = Self { rate: 0.0, seed: 0 };

    /// Whether nothing is dropped.
    pub fn is_off(&self) -> bool {
        self.rate <= 0.0
    }

    /// Scale factor of the elements that are kept, `1 / (1 - rate)`.
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// Threshold of the hash: elements whose hash is at least this are kept.
    pub(crate) fn threshold(&self) -> u32 {
        (f64::from(self.rate) * 2f64.powi(32)) as u32
    }

    /// Applies dropout in place: multiplies `values`, block number `block` of a tensor, by its
    /// scaled mask.
    #[cfg(feature = "flex")]
    #[inline(always)]
    pub(crate) fn apply(&self, values: &mut [f32], block: u64) {
        let (key, threshold, scale) = (self.key(block), self.threshold(), self.scale());
        for (i, value) in values.iter_mut().enumerate() {
            *value *= if hash(key, i as u32) >= threshold { scale } else { 0.0 };
        }
    }

    /// Scaled dropout mask of a tensor that is split into blocks of `block_len` elements.
    pub(crate) fn mask(&self, n_elements: usize, block_len: usize) -> Vec<f32> {
        let (threshold, scale) = (self.threshold(), self.scale());
        let mut mask = Vec::with_capacity(n_elements);
        for key in self.keys(n_elements, block_len) {
            let len = block_len.min(n_elements - mask.len());
            mask.extend(
                (0..len as u32).map(|i| if hash(key, i) >= threshold { scale } else { 0.0 }),
            );
        }
        mask
    }

    /// Hash keys of the mask blocks of a tensor.
    pub(crate) fn keys(
        self,
        n_elements: usize,
        block_len: usize,
    ) -> impl Iterator<Item = (u32, u32)> {
        let n_blocks = n_elements.div_ceil(block_len.max(1)) as u64;
        (0..n_blocks).map(move |block| self.key(block))
    }

    fn key(&self, block: u64) -> (u32, u32) {
        key(self.seed, block)
    }
}

fn key(seed: u64, block: u64) -> (u32, u32) {
    let key = split_seed(seed, block);
    (key as u32, (key >> 32) as u32)
}

/// Dropout mask with one rate per column, scaled so that the mean of each column is kept.
///
/// Returns `n_rows * rates.len()` factors in row-major order.
pub fn column_mask(rates: &[f32], n_rows: usize, seed: u64) -> Vec<f32> {
    let columns: Vec<_> = rates
        .iter()
        .map(|rate| Dropout { rate: *rate, seed })
        .map(|d| (d.threshold(), d.scale()))
        .collect();
    let row = |row: usize| {
        let key = key(seed, row as u64);
        let columns = columns.iter().enumerate();
        columns.map(
            move |(i, (threshold, scale))| {
                if hash(key, i as u32) >= *threshold { *scale } else { 0.0 }
            },
        )
    };
    (0..n_rows).flat_map(row).collect()
}

/// Integer hash function: maps a key and a counter to 32 uniformly distributed bits.
///
/// The two rounds use the multipliers found by Wellons 2018 ("Prospecting for hash functions").
#[inline(always)]
fn hash(key: (u32, u32), counter: u32) -> u32 {
    let mut x = counter.wrapping_add(key.0);
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15) ^ key.1).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_the_asked_share_and_the_mean() {
        for rate in [0.1f32, 0.5] {
            let mask = Dropout { rate, seed: 3 }.mask(1 << 20, 384);
            let n_dropped = mask.iter().filter(|value| **value == 0.0).count();
            let share = n_dropped as f32 / mask.len() as f32;
            // Five standard deviations of a binomial share.
            let tolerance = 5.0 * (rate * (1.0 - rate) / mask.len() as f32).sqrt();
            assert!((share - rate).abs() < tolerance, "{share} for {rate}");
        }
    }

    #[test]
    fn masks_differ_between_seeds_and_neighbouring_elements_are_independent() {
        let a = Dropout { rate: 0.5, seed: 1 }.mask(1 << 16, 1 << 16);
        let b = Dropout { rate: 0.5, seed: 2 }.mask(1 << 16, 1 << 16);
        let agreement = |x: &[f32], y: &[f32]| {
            x.iter().zip(y).filter(|(x, y)| x == y).count() as f64 / x.len() as f64
        };
        assert!((agreement(&a, &b) - 0.5).abs() < 0.01);
        assert!((agreement(&a[1..], &a[..a.len() - 1]) - 0.5).abs() < 0.01);
    }

    #[test]
    fn columns_are_dropped_at_their_own_rates() {
        let (rates, n_rows) = ([0.0, 0.1, 0.5], 1 << 16);
        let mask = column_mask(&rates, n_rows, 9);
        for (column, rate) in rates.iter().enumerate() {
            let kept: Vec<f32> = mask.iter().skip(column).step_by(3).copied().collect();
            let mean = kept.iter().sum::<f32>() / n_rows as f32;
            let n_dropped = kept.iter().filter(|value| **value == 0.0).count();
            assert!((n_dropped as f32 / n_rows as f32 - rate).abs() < 0.01, "column {column}");
            assert!((mean - 1.0).abs() < 0.02, "column {column}: mean {mean}");
        }
    }
}
