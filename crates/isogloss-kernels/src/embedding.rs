//! Embedding lookup: rows of an embedding matrix by their ids.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch};
use burn::tensor::{Int, Tensor};

use crate::backends::{composed_on, on_every_backend};

/// Embedding lookup: the row of `weight` for each id.
///
/// # Shapes
/// - `weight`: `[rows, hidden]`
/// - `ids`: `[batch, seq]`
/// - returns: `[batch, seq, hidden]`
pub fn embedding(weight: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as Embedding>::embedding_rows(
        weight.into_dispatch(),
        ids.into_dispatch(),
    ))
}

on_every_backend! {
    differentiable

    /// Embedding lookup on every backend, with its gradient on autodiff backends.
    trait Embedding: Backend {
        fn embedding_rows(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self>;
    }
}

/// Backward pass of an embedding lookup on a backend without autodiff; the default is Burn's, a
/// backend with a fused kernel overrides it.
pub(crate) trait EmbeddingKernel: Backend {
    /// Returns the gradient with respect to the matrix: the sum of `grad` over the places of each
    /// row, zero for a row without one.
    fn embedding_grad(
        weight: FloatTensor<Self>,
        ids: IntTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::embedding_backward(weight, grad, ids)
    }
}

#[cfg(feature = "flex")]
impl EmbeddingKernel for burn::backend::Flex {}
composed_on!(EmbeddingKernel: ndarray);

impl<B: EmbeddingKernel> Embedding for B {
    fn embedding_rows(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        Self::embedding(weight, ids)
    }
}

impl<B: EmbeddingKernel, C: CheckpointStrategy> Embedding for Autodiff<B, C> {
    fn embedding_rows(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        let node = weight.node();
        let weight = weight.into_primitive();
        let rows = B::embedding(weight.clone(), ids.clone());
        match EmbeddingBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((weight, ids), rows),
            OpsKind::UnTracked(prep) => prep.finish(rows),
        }
    }
}

#[derive(Debug)]
struct EmbeddingBackward;

impl<B: EmbeddingKernel> Backward<B, 1> for EmbeddingBackward {
    /// Saved for the backward pass: the matrix, for its shape, and the ids.
    type State = (FloatTensor<B>, IntTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (weight, ids) = ops.state;
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::embedding_grad(weight, ids, grad));
        }
    }
}
