//! Cross-entropy of logits with class indices, which several losses use.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

/// Ignore index: the target of a row without a label, which the loss excludes, as PyTorch's
/// `ignore_index`.
pub const IGNORE_INDEX: i32 = -100;

/// Cross-entropy: the mean of `-log p(target)` over the rows with a target, in nats.
///
/// With label smoothing (`smoothing` ε), the target is `1 - ε` on the gold label plus
/// `ε / n_labels` on all.
///
/// # Shapes
/// - `logits`: `[n, n_labels]`
/// - `targets`: `[n]`, class indices; [`IGNORE_INDEX`] excludes a row
/// - returns: `[1]`; zero if no row has a target
///
/// # Source
/// Reduction and smoothing as in PyTorch's `cross_entropy`.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>, smoothing: f64) -> Tensor<1> {
    let n_rows = targets.dims()[0];
    let ignored = targets.clone().equal_elem(IGNORE_INDEX);
    let weights = ignored.clone().bool_not().float().cast(logits.dtype());
    let n_counted = weights.clone().sum().clamp_min(1.0);
    let targets = targets.mask_fill(ignored, 0).reshape([n_rows, 1]);

    let log_probs = log_softmax(logits, 1);
    let mut losses = log_probs.clone().gather(1, targets).reshape([n_rows]).neg();
    if smoothing > 0.0 {
        let uniform = log_probs.mean_dim(1).reshape([n_rows]).neg();
        losses = losses * (1.0 - smoothing) + uniform * smoothing;
    }
    (losses * weights).sum() / n_counted
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn loss(targets: [i32; 3], smoothing: f64) -> f32 {
        let device = Device::flex();
        let logits =
            Tensor::from_floats([[0.0, 2f32.ln()], [3f32.ln(), 0.0], [9.0, -9.0]], &device);
        let targets = Tensor::from_ints(targets, &device);
        cross_entropy(logits, targets, smoothing).into_scalar()
    }

    #[test]
    fn ignored_rows_count_neither_above_nor_below_the_line() {
        // p = 2/3 and 3/4.
        let expected = -((2f32 / 3.0).ln() + (3f32 / 4.0).ln()) / 2.0;
        assert!((loss([1, 0, IGNORE_INDEX], 0.0) - expected).abs() < 1e-6);
        assert_eq!(loss([IGNORE_INDEX; 3], 0.0), 0.0);
    }

    #[test]
    fn smoothing_mixes_in_the_uniform_target() {
        let uniform = -((1f32 / 3.0).ln() + (2f32 / 3.0).ln()) / 2.0;
        let expected = 0.9 * -(2f32 / 3.0).ln() + 0.1 * uniform;
        assert!((loss([1, IGNORE_INDEX, IGNORE_INDEX], 0.1) - expected).abs() < 1e-6);
    }
}
