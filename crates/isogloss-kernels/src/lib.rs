//! Tensor operations that the encoder and its optimizer run at every step, each with a backward of
//! its own, on every Burn backend.
//!
//! An operation is a file of this crate:
//! - the function on tensors, with its shapes and source;
//! - a composition of Burn's own operations, which runs on any backend and is what the tests compare with;
//! - a hand-written derivative that keeps less than the recorded graph would.
//!
//! Below it lie its fused kernels for `f32`: `flex` for the CPU, `cube` for GPUs.
//! Which of them runs is decided by the tensor's device.
//! Dropout draws its mask from an explicit seed and draws it again in the backward pass, so no mask
//! is ever stored; every device draws the same, so a step can be repeated on any of them.
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

// Burn deprecates its ndarray backend; the project offers it all the same.
#![cfg_attr(feature = "ndarray", allow(deprecated))]

mod adamw;
mod allocator;
mod attention;
mod backends;
mod dropout;
#[cfg(feature = "flex")]
mod flex;
mod gelu;
mod layer_norm;
mod linear;
mod shapes;
mod sum_of_squares;

pub use adamw::{AdamWStep, adamw};
pub use allocator::tune_allocator;
pub use attention::attention;
pub use dropout::{Dropout, column_mask, dropout};
pub use gelu::gelu;
pub use isogloss_random::{normal, signs, split_seed, uniform};
pub use layer_norm::dropout_add_layer_norm;
pub use linear::linear;
pub use sum_of_squares::sum_of_squares;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
