//! 1.5-entmax (Peters et al. 2019): a sparse distribution over numbers, between softmax and
//! sparsemax.

/// Threshold τ of 1.5-entmax: `pᵢ = max(zᵢ / 2 - τ, 0)²` sums to 1; NaN if a number is.
///
/// Found exactly, from the sorted numbers: with the `k` greatest in the support, τ is the smaller
/// root of a quadratic equation, and the support is the longest one that τ leaves positive.
///
/// # Source
/// Peters, Niculae and Martins 2019, Sparse Sequence-to-Sequence Models, arXiv:1905.05702, §3.3 and
/// algorithm 2.
pub(super) fn entmax15_threshold(mut numbers: Vec<f64>) -> f64 {
    if numbers.iter().any(|number| number.is_nan()) {
        return f64::NAN;
    }
    numbers.sort_by(|a, b| b.total_cmp(a));
    let Some(greatest) = numbers.first().copied() else { return f64::NAN };
    // Relative to the greatest, so that squares of great numbers keep their digits.
    let (mut sum, mut squares, mut found) = (0.0, 0.0, 0.0);
    for (at, number) in numbers.iter().enumerate() {
        let half = 0.5 * (number - greatest);
        let n = (at + 1) as f64;
        sum += half;
        squares += half * half;
        let mean = sum / n;
        let spread = squares - n * mean * mean;
        let threshold = mean - ((1.0 - spread).max(0.0) / n).sqrt();
        if threshold > half {
            break;
        }
        found = threshold;
    }
    found + 0.5 * greatest
}
