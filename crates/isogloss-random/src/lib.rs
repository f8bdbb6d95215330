//! Counter-based random number generator with splittable seeds: each number is a function of a seed
//! and an index, so it can be drawn alone, in any order, on any thread, with the same result on
//! every machine.
//!
//! ```
//! use isogloss_random::{split_seed, uniform};
//!
//! let [of_data, of_dropout] = [0, 1].map(|stream| split_seed(42, stream));
//! assert_ne!(of_data, of_dropout);
//! let share = (0..1000).filter(|index| uniform(of_data, *index) < 0.25).count() as f64 / 1000.0;
//! assert!((share - 0.25).abs() < 0.05);
//! ```

#![forbid(unsafe_code)]

/// Rademacher variables: `n` random signs, `+1` or `-1` with probability 1/2 each, the same on
/// every machine.
#[inline]
pub fn signs(seed: u64, n: usize) -> impl Iterator<Item = f32> {
    (0..n.div_ceil(64) as u64)
        .flat_map(move |block| {
            let bits = split_seed(seed, block);
            (0..64).map(move |bit| if bits >> bit & 1 == 1 { 1.0 } else { -1.0 })
        })
        .take(n)
}

/// Uniform random number in (0, 1) for an index, the same on every machine.
#[inline]
pub fn uniform(seed: u64, index: u64) -> f64 {
    // The highest 53 bits, shifted by half a step away from zero.
    ((split_seed(seed, index) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Standard normal (Gaussian) random number for an index, by the Box–Muller transform.
#[inline]
pub fn normal(seed: u64, index: u64) -> f64 {
    let radius = (-2.0 * uniform(seed, 2 * index).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(seed, 2 * index + 1)).cos()
}

/// Splits a seed (SplitMix64): derives seed number `index` from `seed`; different indices give
/// unrelated seeds.
///
/// # Source
/// SplitMix64: Steele et al. 2014, "Fast splittable pseudorandom number generators", fig. 17.
#[inline]
pub fn split_seed(seed: u64, index: u64) -> u64 {
    let mut z = seed ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_normals_are_centered_and_have_their_variance() {
        let n = 1 << 16;
        let mean = signs(4, n).sum::<f32>() / n as f32;
        assert!(mean.abs() < 0.02, "{mean}");
        let normals: Vec<f64> = (0..n as u64).map(|i| normal(4, i)).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean}, {variance}");
    }
}
