//! Divergences between two predictive distributions: KL, Jensen–Shannon, squared error.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use isogloss_kernels::sum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Divergence of two distributions p and q over C labels, in nats but for the squared error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Divergence {
    /// Symmetric KL divergence: `KL(p‖q) + KL(q‖p)`.
    #[default]
    SymmetricKl,
    /// Kullback–Leibler divergence: `KL(p‖q)`.
    Kl,
    /// Jensen–Shannon divergence: `½ KL(p‖m) + ½ KL(q‖m)` with `m = ½ (p + q)`.
    JensenShannon,
    /// Squared error: `Σ (p - q)²` over the labels.
    Mse,
}

/// Stop-gradient: which of the two predictions the divergence is differentiated by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GradientFlow {
    /// Both, through every term, as in R3F and R-Drop.
    #[default]
    Both,
    /// Both, each towards a detached copy of the other, as in xTune: `KL(sg p‖q) + KL(sg q‖p)`,
    /// or `½ D(sg p, q) + ½ D(p, sg q)` for the Jensen–Shannon divergence and the squared
    /// error. The one-way KL has a single direction, so this is `OneWay` for it.
    Stopped,
    /// Only the second, towards a detached first; of a symmetric KL only `KL(sg p‖q)` is left.
    OneWay,
}

/// Reduction: how the values of all rows become one loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The mean over rows, the default.
    #[default]
    BatchMean,
    /// The mean over rows and labels, as in PyTorch's `kl_div` by default; xTune's weights are for
    /// this reduction.
    ElementMean,
    /// The sum over rows; R-Drop's weights are for this reduction.
    Sum,
}

/// Divergence of the softmax of `first` from that of `second`.
///
/// # Shapes
/// - `first`, `second`: logits `[rows, labels]`, each row of the same text or word in both
/// - returns: `[1]`; zero without rows
pub fn divergence(
    kind: Divergence,
    flow: GradientFlow,
    reduction: Reduction,
    first: Tensor<2>,
    second: Tensor<2>,
) -> Tensor<1> {
    let [n_rows, n_labels] = first.dims();
    if n_rows == 0 {
        return Tensor::zeros([1], &first.device());
    }
    let (p, q) = (log_softmax(first, 1), log_softmax(second, 1));
    let total = match (kind, flow) {
        (Divergence::SymmetricKl, GradientFlow::Both) => kl(p.clone(), q.clone()) + kl(q, p),
        (Divergence::SymmetricKl, GradientFlow::Stopped) => {
            kl(p.clone().detach(), q.clone()) + kl(q.detach(), p)
        }
        (Divergence::Kl, GradientFlow::Stopped) | (_, GradientFlow::OneWay) => {
            sum_of(kind, p.detach(), q)
        }
        (_, GradientFlow::Both) => sum_of(kind, p, q),
        (_, GradientFlow::Stopped) => {
            let forward = sum_of(kind, p.clone().detach(), q.clone());
            (forward + sum_of(kind, p, q.detach())) * 0.5
        }
    };
    match reduction {
        Reduction::BatchMean => total / n_rows as f64,
        Reduction::ElementMean => total / (n_rows * n_labels) as f64,
        Reduction::Sum => total,
    }
}

/// One term of a divergence, summed over all rows, from log-probabilities.
fn sum_of(kind: Divergence, p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    match kind {
        Divergence::SymmetricKl | Divergence::Kl => kl(p, q),
        Divergence::JensenShannon => {
            let mean = log_mean(p.clone(), q.clone());
            (kl(p, mean.clone()) + kl(q, mean)) * 0.5
        }
        Divergence::Mse => sum((p.exp() - q.exp()).square()),
    }
}

/// KL divergence, `Σ p (log p - log q)`; from log-probabilities it is finite even where a
/// probability is zero.
fn kl(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    sum(p.clone().exp() * (p - q))
}

/// `log ½ (p + q)` from log-probabilities, as a log-sum-exp.
fn log_mean(p: Tensor<2>, q: Tensor<2>) -> Tensor<2> {
    let max = p.clone().max_pair(q.clone()).detach();
    ((p - max.clone()).exp() + (q - max.clone()).exp()).log() + max - std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Divergence; 4] =
        [Divergence::SymmetricKl, Divergence::Kl, Divergence::JensenShannon, Divergence::Mse];

    fn logits(values: &[f32], n_labels: usize) -> Tensor<2> {
        let shape = [values.len() / n_labels, n_labels];
        Tensor::<1>::from_floats(values, &Device::flex()).reshape(shape)
    }

    fn value(kind: Divergence, reduction: Reduction, a: &[f32], b: &[f32], n: usize) -> f32 {
        let (a, b) = (logits(a, n), logits(b, n));
        divergence(kind, GradientFlow::Both, reduction, a, b).into_scalar()
    }

    #[test]
    fn divergences_of_two_coins() {
        // p = (1/4, 3/4), q = (1/2, 1/2).
        let (a, b) = ([0.0, 3f32.ln()], [0.0, 0.0]);
        let (p, q) = ([0.25f32, 0.75], [0.5f32, 0.5]);
        let kl = |p: [f32; 2], q: [f32; 2]| -> f32 {
            p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum()
        };
        let m = [0.375, 0.625];
        for (kind, expected) in [
            (Divergence::Kl, kl(p, q)),
            (Divergence::SymmetricKl, kl(p, q) + kl(q, p)),
            (Divergence::JensenShannon, 0.5 * (kl(p, m) + kl(q, m))),
            (Divergence::Mse, 0.125),
        ] {
            let found = value(kind, Reduction::Sum, &a, &b, 2);
            assert!((found - expected).abs() < 1e-6, "{kind:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn xtunes_weight_of_five_on_three_labels_is_five_thirds() {
        let (a, b) = ([0.1, 2.0, -1.0, 0.0, 0.3, 0.2], [0.5, 0.0, 1.0, -2.0, 0.0, 0.4]);
        let of = |reduction| value(Divergence::SymmetricKl, reduction, &a, &b, 3);
        let xtune = 5.0 * of(Reduction::ElementMean);
        assert!((xtune - 5.0 / 3.0 * of(Reduction::BatchMean)).abs() < 1e-6);
    }

    #[test]
    fn r_drops_sum_over_a_batch_grows_with_it() {
        let rows = [0.1, 2.0, -1.0, 0.0, 0.3, 0.2, 1.0, 1.0, 0.0, 0.4, -0.4, 0.0];
        let others: Vec<f32> = rows.iter().rev().copied().collect();
        for n_rows in [2, 4] {
            let (a, b) = (&rows[..3 * n_rows], &others[..3 * n_rows]);
            let of = |reduction| value(Divergence::SymmetricKl, reduction, a, b, 3);
            // α ½ (KL + KL) as a sum is the mean with B α / 2.
            let published = 0.7 * 0.5 * of(Reduction::Sum);
            let canonical = 0.7 * n_rows as f32 / 2.0 * of(Reduction::BatchMean);
            assert!((published - canonical).abs() < 1e-5 * canonical, "{n_rows} rows");
        }
    }

    #[test]
    fn no_rows_are_no_distance() {
        let none = || Tensor::<2>::zeros([0, 3], &Device::flex());
        for kind in KINDS {
            let (flow, reduction) = (GradientFlow::Both, Reduction::BatchMean);
            let found = divergence(kind, flow, reduction, none(), none()).into_scalar::<f32>();
            assert_eq!(found, 0.0);
        }
    }

    #[test]
    fn hopeless_labels_stay_finite() {
        for kind in KINDS {
            let found = value(kind, Reduction::Sum, &[0.0, 500.0], &[500.0, 0.0], 2);
            assert!(found.is_finite() && found > 0.0, "{kind:?}: {found}");
        }
    }

    proptest! {
        #[test]
        fn never_negative_and_zero_between_equals(
            a in prop::collection::vec(-8f32..8.0, 12),
            b in prop::collection::vec(-8f32..8.0, 12),
        ) {
            for kind in KINDS {
                prop_assert!(value(kind, Reduction::BatchMean, &a, &b, 4) >= -1e-5);
                prop_assert!(value(kind, Reduction::BatchMean, &a, &a, 4).abs() < 1e-5);
            }
        }
    }
}
