//! Embedding lookup: rows of an embedding matrix by their ids, and its gradient, a sum by row.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Int, Shape, Tensor};

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

/// Sum of rows by their index (segment sum), in their order: the gradient of an embedding lookup
/// with respect to a matrix of `n_sums` rows. It is not differentiable.
///
/// # Shapes
/// - `rows`: `[n, hidden]`
/// - `index`: `[n]`, the sum that each row is added to
/// - returns: `[n_sums, hidden]`
pub fn sum_rows(rows: Tensor<2>, index: Tensor<1, Int>, n_sums: usize) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as RowSum>::sum_rows(
        rows.into_dispatch(),
        index.into_dispatch(),
        n_sums,
    ))
}

on_every_backend! {
    outside_graphs

    /// Sum of rows by their index on every backend.
    trait RowSum: Backend {
        fn sum_rows(
            rows: FloatTensor<Self>,
            index: IntTensor<Self>,
            n_sums: usize,
        ) -> FloatTensor<Self>;
    }
}

impl<B: EmbeddingKernel> RowSum for B {
    fn sum_rows(
        rows: FloatTensor<Self>,
        index: IntTensor<Self>,
        n_sums: usize,
    ) -> FloatTensor<Self> {
        Self::embedding_grad(index, rows, n_sums)
    }
}

on_every_backend! {
    differentiable

    /// Embedding lookup on every backend, with its gradient on autodiff backends.
    trait Embedding: Backend {
        fn embedding_rows(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self>;
    }
}

/// Backward pass of an embedding lookup on a backend without autodiff; the default composes Burn's
/// operations, a backend with a fused kernel overrides it.
pub(crate) trait EmbeddingKernel: Backend {
    /// Returns the gradient with respect to the matrix, which has `n_rows` rows: the sum of `grad`
    /// over the places of each row, zero for a row without one.
    fn embedding_grad(
        ids: IntTensor<Self>,
        grad: FloatTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        composed::<Self>(ids, grad, n_rows)
    }
}

#[cfg(feature = "flex")]
impl EmbeddingKernel for burn::backend::Flex {}
composed_on!(EmbeddingKernel: ndarray);

fn composed<B: Backend>(ids: IntTensor<B>, grad: FloatTensor<B>, n_rows: usize) -> FloatTensor<B> {
    let n_places = ids.shape().num_elements();
    let width = grad.shape()[grad.shape().num_dims() - 1];
    let ids = B::int_reshape(ids, Shape::new([n_places]));
    let (device, dtype) = (grad.device(), grad.dtype());
    let grad = B::float_reshape(grad, Shape::new([n_places, width]));
    let table = B::float_zeros(Shape::new([n_rows, width]), &device, dtype.into());
    B::float_select_assign(table, 0, ids, grad, IndexingUpdateOp::Add)
}

impl<B: EmbeddingKernel> Embedding for B {
    fn embedding_rows(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        Self::embedding(weight, ids)
    }
}

impl<B: EmbeddingKernel, C: CheckpointStrategy> Embedding for Autodiff<B, C> {
    fn embedding_rows(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        let node = weight.node();
        let weight = weight.into_primitive();
        let [n_rows, _] = weight.shape().dims();
        let rows = B::embedding(weight, ids.clone());
        match EmbeddingBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((n_rows, ids), rows),
            OpsKind::UnTracked(prep) => prep.finish(rows),
        }
    }
}

#[derive(Debug)]
struct EmbeddingBackward;

impl<B: EmbeddingKernel> Backward<B, 1> for EmbeddingBackward {
    /// Saved for the backward pass: the number of rows of the matrix, and the ids.
    type State = (usize, IntTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (n_rows, ids) = ops.state;
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::embedding_grad(ids, grad, n_rows));
        }
    }
}
