//! Fused kernels of transformer training for every Burn backend: linear layer, attention, dropout,
//! layer normalization, GELU and AdamW, with hand-written gradients.
//!
//! Each operation has a file in this crate, with:
//! - the function on tensors, with its shapes and source;
//! - a composition of Burn's own operations, which runs on any backend and is the reference of the
//!   tests;
//! - a hand-written gradient that stores less than the autodiff graph would.
//!
//! Its submodules are the fused kernels for `f32`: `flex` for the CPU, `cube` for GPUs. The
//! tensor's device decides which of them runs. Dropout draws its mask from an explicit seed and
//! draws it again in the backward pass, so no mask is stored; every device draws the same mask, so
//! a training step is reproducible on any of them.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Tensor};
//! use isogloss_kernels::{Dropout, dropout, gelu, linear};
//!
//! let device = Device::flex().autodiff();
//! let x = Tensor::<2>::from_floats([[1.0, 2.0]], &device);
//! let weight = Tensor::from_floats([[0.5, -0.5], [2.0, 1.0]], &device).require_grad();
//! let y = gelu(linear(x, weight.clone(), Tensor::zeros([2], &device)));
//! let y = dropout(y, Dropout { rate: 0.1, seed: 7 });
//! let gradients = y.sum().backward();
//! assert_eq!(weight.grad(&gradients).map(|gradient| gradient.dims()), Some([2, 2]));
//! # }
//! ```

// Burn deprecates its ndarray backend; this crate still supports it.
#![cfg_attr(feature = "ndarray", allow(deprecated))]

mod adamw;
mod allocator;
mod attention;
mod backends;
mod clip;
mod cross_entropy;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
mod dropout;
mod embedding;
#[cfg(feature = "flex")]
mod flex;
mod gelu;
mod hardware;
mod launches;
mod layer_norm;
mod linear;
mod linear_gelu;
mod mask;
mod precision;
mod shapes;
mod sparse_adamw;
#[cfg(all(feature = "spirv", not(target_vendor = "apple")))]
mod spirv;
mod sum;
mod sum_of_squares;

pub use adamw::{AdamWParam, AdamWStep, adamw};
pub use allocator::tune_allocator;
pub use attention::attention;
pub use clip::clip_by_global_norm;
pub use cross_entropy::{IGNORE_INDEX, cross_entropy};
pub use dropout::dropout;
pub use embedding::{embedding, sum_rows};
pub use gelu::gelu;
pub use hardware::{
    attention_stores_scores, hardware_limits, kernel_language, matrix_units, tuning_cache,
};
pub use isogloss_random::{normal, signs, split_seed, uniform};
pub use launches::count_launches;
pub use layer_norm::dropout_add_layer_norm;
pub use linear::linear;
pub use linear_gelu::linear_gelu;
pub use mask::{Dropout, column_mask};
pub use precision::{ParsePrecisionError, Precision, matmul_precision, set_matmul_precision};
pub use sparse_adamw::{SparseAdamWParam, sparse_adamw};
#[cfg(all(feature = "spirv", not(target_vendor = "apple")))]
pub use spirv::missing_spirv_extension;
pub use sum::sum;
pub use sum_of_squares::sum_of_squares;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
