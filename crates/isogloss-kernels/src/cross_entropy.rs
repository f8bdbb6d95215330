//! Cross-entropy of logits with class indices, with an ignore index and label smoothing.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, get_device_settings};
use burn::tensor::{Int, Shape, Tensor};

use crate::backends::{composed_on, on_every_backend};
use crate::dropout::float_dtype;

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
    Tensor::from_dispatch(<Dispatch as CrossEntropy>::cross_entropy(
        logits.into_dispatch(),
        targets.into_dispatch(),
        smoothing,
    ))
}

on_every_backend! {
    differentiable

    /// Cross-entropy on every backend, with its gradient on autodiff backends.
    trait CrossEntropy: Backend {
        fn cross_entropy(
            logits: FloatTensor<Self>,
            targets: IntTensor<Self>,
            smoothing: f64,
        ) -> FloatTensor<Self>;
    }
}

/// Fused cross-entropy of a backend; a backend without one composes Burn's operations, forward and
/// backward.
pub(crate) trait CrossEntropyKernel: Backend {
    /// Returns the loss, `[1]`, and its gradient with respect to the logits, computed in one go;
    /// `None` without a kernel for these tensors.
    fn cross_entropy_with_gradient(
        _logits: &FloatTensor<Self>,
        _targets: &IntTensor<Self>,
        _smoothing: f64,
    ) -> Option<[FloatTensor<Self>; 2]> {
        None
    }
}

#[cfg(feature = "flex")]
impl CrossEntropyKernel for burn::backend::Flex {}
composed_on!(CrossEntropyKernel: ndarray);

fn composed<B: Backend>(
    logits: FloatTensor<B>,
    targets: IntTensor<B>,
    smoothing: f64,
) -> FloatTensor<B> {
    let n_rows = targets.shape().num_elements();
    let column = |x| B::float_reshape(x, Shape::new([n_rows]));
    let settings = get_device_settings::<B>(&logits.device());
    let ignored = B::int_equal_elem(targets.clone(), IGNORE_INDEX.into(), settings.bool_dtype);
    let weights = B::bool_into_float(B::bool_not(ignored.clone()), float_dtype::<B>(&logits));
    let n_counted = B::float_clamp_min(B::float_sum(weights.clone()), 1.0.into());
    let targets = B::int_mask_fill(targets, ignored, 0.into());
    let targets = B::int_reshape(targets, Shape::new([n_rows, 1]));

    let log_probs = B::log_softmax(logits, 1);
    let losses = column(B::float_gather(1, log_probs.clone(), targets));
    let mut losses = B::float_neg(losses);
    if smoothing > 0.0 {
        let uniform = B::float_neg(column(B::float_mean_dim(log_probs, 1)));
        losses = B::float_add(
            B::float_mul_scalar(losses, (1.0 - smoothing).into()),
            B::float_mul_scalar(uniform, smoothing.into()),
        );
    }
    B::float_div(B::float_sum(B::float_mul(losses, weights)), n_counted)
}

impl<B: CrossEntropyKernel> CrossEntropy for B {
    fn cross_entropy(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        composed::<Self>(logits, targets, smoothing)
    }
}

impl<B: CrossEntropyKernel, C: CheckpointStrategy> CrossEntropy for Autodiff<B, C> {
    fn cross_entropy(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        let primitive = logits.clone().into_primitive();
        let fused = B::cross_entropy_with_gradient(&primitive, &targets, smoothing);
        let Some([loss, gradient]) = fused else {
            return composed::<Self>(logits, targets, smoothing);
        };
        match CrossEntropyBackward.prepare::<C>([logits.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(gradient, loss),
            OpsKind::UnTracked(prep) => prep.finish(loss),
        }
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

impl<B: CrossEntropyKernel> Backward<B, 1> for CrossEntropyBackward {
    /// The gradient of the loss with respect to the logits.
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = B::float_reshape(grads.consume::<B>(&ops.node), Shape::new([1, 1]));
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::float_mul(ops.state, grad));
        }
    }
}

#[cfg(all(test, feature = "flex"))]
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
