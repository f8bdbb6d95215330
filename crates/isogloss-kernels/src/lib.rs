//! Tensor operations that the encoder and its optimizer run at every step, each with a backward of
//! its own, on every Burn backend.
//!
//! An operation has up to three parts:
//! - a composition of Burn's own operations (`compose`), which runs on any backend and is what the
//!   tests compare with;
//! - a fused kernel for the CPU (`flex`), and one for the mask of dropout on GPUs (`cube`), used when
//!   the tensors are `f32`;
//! - a hand-written derivative (`autodiff`) that keeps less than the recorded graph would.
//!
//! The functions here take and give tensors; which part runs is decided by the tensor's device.
//! Dropout draws its mask from an explicit seed and draws it again in the backward pass, so no mask
//! is ever stored; every device draws the same, so a step can be repeated on any of them.

mod allocator;
mod autodiff;
mod compose;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
mod dispatch;
#[cfg(feature = "flex")]
mod flex;
mod random;

use burn::tensor::Tensor;

pub use allocator::tune_allocator;
pub use dispatch::AdamW;
use dispatch::{Kernels, Optimize};
pub use isogloss_random::{normal, signs, split_seed, uniform};
pub use random::{Dropout, column_mask};

use burn::backend::Dispatch;

/// Multiplies by a weight and adds a bias: `x Wᵀ + b`, with the weight laid out as PyTorch does.
///
/// # Shapes
/// - `x`: `[..., in]`
/// - `weight`: `[out, in]`
/// - `bias`: `[out]`
/// - returns: `[..., out]`
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Kernels>::linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// Computes the exact Gaussian error linear unit, `x Φ(x)`.
///
/// # Shapes
/// - `x`, returns: any
///
/// # Source
/// Hendrycks & Gimpel 2016, arXiv:1606.08415, §2. Not the tanh approximation.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Kernels>::gelu(x.into_dispatch()))
}

/// Zeroes elements at random and scales the others so that the mean stays.
///
/// Which elements is a function of `dropout.seed` and the position alone. With a rate of zero the
/// input comes back as it is.
///
/// # Shapes
/// - `x`, returns: any
///
/// # Source
/// Srivastava et al. 2014, JMLR 15, in the inverted form.
pub fn dropout<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    if dropout.is_off() {
        return x;
    }
    Tensor::from_dispatch(<Dispatch as Kernels>::dropout(x.into_dispatch(), dropout))
}

/// Normalizes `dropout(x) + residual` over its last dimension: the end of every transformer block.
///
/// # Shapes
/// - `x`, `residual`, returns: `[..., hidden]`
/// - `gamma`, `beta`: `[hidden]`
///
/// # Source
/// Ba et al. 2016, arXiv:1607.06450, eq. 4; biased variance, `epsilon` inside the root, as PyTorch.
pub fn dropout_add_layer_norm<const D: usize>(
    x: Tensor<D>,
    residual: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    dropout: Dropout,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Kernels>::dropout_add_layer_norm(
        x.into_dispatch(),
        residual.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
        dropout,
    ))
}

/// Attends with several heads: `dropout(softmax(q kᵀ / √d + bias)) v` for each head of width `d`.
///
/// Heads lie side by side in the hidden dimension, so no transposition is needed before or after.
///
/// # Shapes
/// - `query`, `key`, `value`, returns: `[batch, seq, n_heads * d]`
/// - `bias`: `[batch, seq]`, added to the scores of each key; a large negative number hides a key.
///   No gradient reaches it.
///
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, §3.2. The probabilities are not kept for the backward
/// pass but computed again from their logarithmic normalizer, as in Dao et al. 2022,
/// arXiv:2205.14135, §3.1.
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    bias: Tensor<2>,
    n_heads: usize,
    dropout: Dropout,
) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as Kernels>::attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        bias.into_dispatch(),
        n_heads,
        dropout,
    ))
}

/// Sums the squares of all elements, outside any graph.
///
/// # Shapes
/// - `x`: any
/// - returns: `[1]`
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as Optimize>::sum_of_squares(x.into_dispatch()))
}

/// Takes one AdamW step for one parameter, in place where the tensors have no other owner.
///
/// Returns the parameter and its two moments.
///
/// # Shapes
/// - all tensors: those of the parameter
///
/// # Source
/// Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2, with PyTorch's order of operations: decay
/// first, then `lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)`.
pub fn adamw<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    moment_1: Tensor<D>,
    moment_2: Tensor<D>,
    config: AdamW,
) -> [Tensor<D>; 3] {
    let (param, moment_1, moment_2) = <Dispatch as Optimize>::adamw(
        param.into_dispatch(),
        grad.into_dispatch(),
        moment_1.into_dispatch(),
        moment_2.into_dispatch(),
        config,
    );
    [param, moment_1, moment_2].map(Tensor::from_dispatch)
}

/// The example of the README.
#[cfg(all(doctest, feature = "flex"))]
#[doc = include_str!("../README.md")]
struct Readme;
