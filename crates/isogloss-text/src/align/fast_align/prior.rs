//! Diagonal alignment prior of fast_align: the probability of a link from the positions of its
//! words alone (Dyer et al. 2013, eq. 1–5).

/// Diagonal alignment prior: the distribution of the link of a right word over the left words and
/// none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prior {
    pub(super) null_probability: f64,
    pub(super) tension: f64,
}

impl Prior {
    /// Writes the prior probability of a link between each left word and right word `j` of
    /// `n_right`, counted from 1.
    ///
    /// These probabilities and `null_probability` sum to one.
    pub(super) fn fill(&self, probabilities: &mut [f64], j: usize, n_right: usize) {
        let n_left = probabilities.len();
        let mut total = 0.0;
        for (i, weight) in probabilities.iter_mut().enumerate() {
            *weight = (self.tension * feature(j, i + 1, n_right, n_left)).exp();
            total += *weight;
        }
        let factor = (1.0 - self.null_probability) / total;
        for weight in probabilities {
            *weight *= factor;
        }
    }
}

/// Diagonal feature: the negative distance between the relative positions of right word `j` and
/// left word `i`, from -1 to 0.
pub(super) fn feature(j: usize, i: usize, n_right: usize, n_left: usize) -> f64 {
    -(i as f64 / n_left as f64 - j as f64 / n_right as f64).abs()
}

/// Expectation of the diagonal feature of right word `j`, counted from 1, under the prior, in
/// closed form, as in fast_align.
///
/// It would be the derivative of the log of the prior's norm with respect to the tension if
/// fast_align did not swap the lengths in the norm.
pub(super) fn model_feature(j: usize, n_right: usize, n_left: usize, tension: f64) -> f64 {
    let ratio = (-tension / n_left as f64).exp();
    let step = -1.0 / n_left as f64;
    let below = j * n_left / n_right;
    let series = |nearest: usize, len: usize| {
        if len == 0 {
            return 0.0;
        }
        let first = feature(j, nearest, n_right, n_left);
        let weight = (tension * first).exp();
        let last = first + step * (len - 1) as f64;
        let difference = ratio - 1.0;
        let after_last = weight * ratio.powf(len as f64);
        (last * after_last - first * weight) / difference
            - step * (after_last - weight * ratio) / (difference * difference)
    };
    let sum = series(below + 1, n_left - below) + series(below, below);
    sum / norm(j, n_left, n_right, tension)
}

/// Norm (partition function) of the prior: the sum of exp(tension · feature) over all left words,
/// in closed form.
///
/// As [`model_feature`] swaps the lengths, `j` can be greater than `n_right`.
/// The nearest left word is then beyond the last one, and fast_align, whose unsigned count wraps
/// around, sums an infinite series from there.
fn norm(j: usize, n_right: usize, n_left: usize, tension: f64) -> f64 {
    let ratio = (-tension / n_left as f64).exp();
    let below = j * n_left / n_right;
    let series = |nearest: usize, powers: f64| {
        (tension * feature(j, nearest, n_right, n_left)).exp() * (1.0 - powers) / (1.0 - ratio)
    };
    let above = match below.cmp(&n_left) {
        std::cmp::Ordering::Less => series(below + 1, ratio.powf((n_left - below) as f64)),
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => series(below + 1, 0.0),
    };
    if below == 0 { above } else { above + series(below, ratio.powf(below as f64)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Prior, feature, model_feature, norm};

    #[test]
    fn the_middle_of_a_text_is_nearest_to_the_middle() {
        let mut probabilities = [0.0; 3];
        Prior { null_probability: 0.1, tension: 2.0 }.fill(&mut probabilities, 2, 3);
        let far = (-2.0f64 / 3.0).exp();
        let expected = [far, 1.0, far].map(|weight| 0.9 * weight / (1.0 + 2.0 * far));
        for (found, expected) in probabilities.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15);
        }
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one(n_left in 1usize..80, n_right in 1usize..80, position in 0.0f64..1.0, tension in 0.1f64..14.0) {
            let j = 1 + (position * n_right as f64) as usize;
            let mut probabilities = vec![0.0; n_left];
            Prior { null_probability: 0.08, tension }.fill(&mut probabilities, j, n_right);
            prop_assert!((probabilities.iter().sum::<f64>() + 0.08 - 1.0).abs() < 1e-12);
        }

        #[test]
        fn closed_forms_are_the_sums(n in 1usize..60, n_right in 1usize..60, position in 0.0f64..1.0, tension in 0.1f64..14.0) {
            let j = 1 + (position * n_right as f64) as usize;
            let features: Vec<f64> = (1..=n).map(|i| feature(j, i, n_right, n)).collect();
            let sum: f64 = features.iter().map(|&feature| (tension * feature).exp()).sum();
            prop_assert!((norm(j, n_right, n, tension) / sum - 1.0).abs() < 1e-9);

            // With equal lengths, the swap has no effect.
            let j = 1 + (position * n as f64) as usize;
            let features: Vec<f64> = (1..=n).map(|i| feature(j, i, n, n)).collect();
            let sum: f64 = features.iter().map(|&feature| (tension * feature).exp()).sum();
            let weighted: f64 = features.iter().map(|feature| feature * (tension * feature).exp()).sum();
            prop_assert!((model_feature(j, n, n, tension) - weighted / sum).abs() < 1e-8);
        }
    }
}
