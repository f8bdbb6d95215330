//! Reshaping of tensors of any rank to and from matrices over the last dimension.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Shape;

/// Flattens all dimensions but the last: `[..., n]` to `[rows, n]`.
pub(crate) fn as_rows<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    let n_columns = shape.as_slice().last().copied().unwrap_or(1);
    let n_rows = shape.num_elements() / n_columns.max(1);
    B::float_reshape(x, Shape::new([n_rows, n_columns]))
}

/// Copies `shape` with `last` as its last dimension.
pub(crate) fn with_last_dim(shape: &Shape, last: usize) -> Shape {
    let mut dims = shape.as_slice().to_vec();
    if let Some(dim) = dims.last_mut() {
        *dim = last;
    }
    Shape::from(dims)
}

/// Sums over all dimensions but the last: `[..., n]` to `[n]`.
pub(crate) fn sum_rows<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rows = as_rows::<B>(x);
    let [_, n_columns] = rows.shape().dims();
    B::float_reshape(B::float_sum_dim(rows, 0), Shape::new([n_columns]))
}

/// Reshapes a vector for broadcasting: `[hidden]` to `[1, ..., hidden]`.
pub(crate) fn as_row<B: Backend>(vector: FloatTensor<B>, n_dims: usize) -> FloatTensor<B> {
    let mut dims = vec![1; n_dims];
    dims[n_dims - 1] = vector.shape().num_elements();
    B::float_reshape(vector, Shape::from(dims))
}
