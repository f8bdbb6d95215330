//! Sum of squares (squared L2 norm) of a tensor, for gradient clipping by the global norm.

#[cfg(feature = "flex")]
mod flex;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch};
use burn::tensor::Tensor;

use crate::backends::{composed_on, on_every_backend};

/// Sum of squares of all elements; it is not differentiable.
///
/// # Shapes
/// - `x`: any
/// - returns: `[1]`
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as SumOfSquaresKernel>::sum_of_squares(x.into_dispatch()))
}

on_every_backend! {
    outside_graphs

    /// Sum of squares on every backend; the default composes Burn's operations.
    pub(crate) trait SumOfSquaresKernel: Backend {
        fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
            composed::<Self>(x)
        }
    }
}

composed_on!(SumOfSquaresKernel: ndarray, cube);

fn composed<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_sum(B::float_mul(x.clone(), x))
}
