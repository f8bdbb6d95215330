//! Sum of all elements of a tensor, in an order that is the same in every run.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata};
use burn::tensor::{Shape, Tensor};

use crate::backends::{composed_on, on_every_backend};

/// Sum of all elements.
///
/// Burn's own sum adds with atomics where a GPU has them for `f32`, in another order in each run.
///
/// # Shapes
/// - `x`: any
/// - returns: `[1]`
pub fn sum<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as Sum>::sum_all(x.into_dispatch()))
}

on_every_backend! {
    differentiable

    /// Sum on every backend, with its gradient on autodiff backends.
    trait Sum: Backend {
        fn sum_all(x: FloatTensor<Self>) -> FloatTensor<Self>;
    }
}

/// Sum on a backend without autodiff; the default is Burn's.
trait SumKernel: Backend {
    fn sum_in_order(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_sum(x)
    }
}

#[cfg(feature = "flex")]
impl SumKernel for burn::backend::Flex {}
composed_on!(SumKernel: ndarray);

#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl SumKernel for burn_cubecl::CubeBackend {
    fn sum_in_order(x: FloatTensor<Self>) -> FloatTensor<Self> {
        use burn_cubecl::kernel::reduce::{SumStrategy, sum};

        let chained = SumStrategy::Chained(Default::default());
        sum(x, chained).expect("sums in several kernels need no atomics")
    }
}

impl<B: SumKernel> Sum for B {
    fn sum_all(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_reshape(Self::sum_in_order(x), Shape::new([1]))
    }
}

impl<B: SumKernel, C: CheckpointStrategy> Sum for Autodiff<B, C> {
    fn sum_all(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        let shape = x.shape();
        match SumBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(shape, B::sum_all(x)),
            OpsKind::UnTracked(prep) => prep.finish(B::sum_all(x)),
        }
    }
}

#[derive(Debug)]
struct SumBackward;

impl<B: SumKernel> Backward<B, 1> for SumBackward {
    /// Saved for the backward pass: the shape of the input.
    type State = Shape;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            let ones = Shape::from(vec![1; ops.state.num_dims()]);
            let grad = B::float_expand(B::float_reshape(grad, ones), ops.state);
            grads.register::<B>(parent.id, grad);
        }
    }
}
