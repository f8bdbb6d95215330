//! Rank correlation.

/// Fewest pairs whose rank correlation is worth printing.
pub(super) const MIN_PAIRS: usize = 5;

/// Spearman's rank correlation: Pearson's correlation of the ranks, ties sharing their mean rank.
///
/// `None` for fewer than [`MIN_PAIRS`] pairs, or when one side is constant.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < MIN_PAIRS {
        return None;
    }
    let left = ranks(pairs.iter().map(|pair| pair.0));
    let right = ranks(pairs.iter().map(|pair| pair.1));
    // Ranks from 1 have this mean with and without ties.
    let mean = (pairs.len() + 1) as f64 / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let spread = product(&left, &left) * product(&right, &right);
    (spread > 0.0).then(|| product(&left, &right) / spread.sqrt())
}

/// The rank of each value from 1, equal values sharing the mean of theirs.
fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        below as f64 + (equal + 1) as f64 / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(right: [f64; 5]) -> Vec<(f64, f64)> {
        [1.0, 10.0, 100.0, 1e3, 1e4].into_iter().zip(right).collect()
    }

    #[test]
    fn only_the_order_counts() {
        assert_eq!(spearman(&pairs([0.1, 0.2, 0.5, 0.6, 9.0])), Some(1.0));
        assert_eq!(spearman(&pairs([5.0, 4.0, 3.0, 2.0, -7.0])), Some(-1.0));
        // Differences of ranks 0, -1, 1, -1, 1: 1 - 6 · 4 / (5 · 24).
        let rho = spearman(&pairs([1.0, 3.0, 2.0, 5.0, 4.0])).unwrap();
        assert!((rho - 0.8).abs() < 1e-15);
    }

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks([2.0, 1.0, 2.0, 5.0].into_iter()), [2.5, 1.0, 2.5, 4.0]);
        // Ranks 1.5, 1.5, 3, 4, 5 against 1…5: covariance 9.5, variances 9.5 and 10.
        let rho = spearman(&pairs([0.0, 0.0, 1.0, 2.0, 3.0])).unwrap();
        assert!((rho - (9.5f64 / 10.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn few_or_constant_values_have_no_correlation() {
        assert_eq!(spearman(&pairs([1.0, 3.0, 2.0, 5.0, 4.0])[..4]), None);
        assert_eq!(spearman(&pairs([2.0; 5])), None);
    }
}
