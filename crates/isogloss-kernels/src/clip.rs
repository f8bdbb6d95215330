//! Gradient clipping by the global norm (Pascanu et al. 2013), on the device.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::Tensor;

use crate::backends::{composed_on, on_backend_of};

/// Factor that says that a global norm is not finite, so that nothing is to be updated.
pub(crate) const NOT_FINITE: f32 = -1.0;

/// Added to the norm in the clip factor, as PyTorch does.
pub(crate) const EPSILON: f64 = 1e-6;

/// Gradient clipping by the global norm: the L2 norm of all gradients together, and the factor
/// that clips it, `min(1, max_norm / (norm + 1e-6))`.
///
/// Both stay on the device, where [`adamw`](crate::adamw) reads the factor. It is 1 without
/// `max_norm`, and -1 if the norm is not finite.
///
/// # Shapes
/// - `gradients`: any
/// - returns: `[2]`
///
/// # Source
/// Pascanu et al. 2013, arXiv:1211.5063, alg. 1; the factor as PyTorch's `clip_grad_norm_`.
///
/// # Panics
/// If there are no gradients.
pub fn clip_by_global_norm(gradients: Vec<Tensor<1>>, max_norm: Option<f64>) -> Tensor<1> {
    let lists = [gradients.into_iter().map(Tensor::into_dispatch).collect::<Vec<_>>()];
    let [clip] = on_backend_of!(lists, B => {
        let [gradients] = lists;
        [vec![B::clip_by_global_norm(gradients, max_norm)]]
    });
    Tensor::from_dispatch(clip.into_iter().next().expect("one tensor"))
}

/// Gradient clipping on a backend; the default composes Burn's operations.
pub(crate) trait ClipKernel: Backend {
    fn clip_by_global_norm(
        gradients: Vec<FloatTensor<Self>>,
        max_norm: Option<f64>,
    ) -> FloatTensor<Self> {
        composed::<Self>(gradients, max_norm)
    }
}

composed_on!(ClipKernel: ndarray);

fn composed<B: Backend>(gradients: Vec<FloatTensor<B>>, max_norm: Option<f64>) -> FloatTensor<B> {
    let squares = gradients.into_iter().map(|x| B::float_sum(B::float_mul(x.clone(), x))).collect();
    let norm = B::float_sqrt(B::float_sum(B::float_cat(squares, 0)));
    let is_finite = {
        let dtype = get_device_settings::<B>(&norm.device()).bool_dtype;
        B::float_lower_equal_elem(norm.clone(), f64::from(f32::MAX).into(), dtype)
    };
    let factor = match max_norm {
        Some(max) => {
            let inverse = B::float_recip(B::float_add_scalar(norm.clone(), EPSILON.into()));
            B::float_clamp_max(B::float_mul_scalar(inverse, max.into()), 1.0.into())
        }
        None => B::float_add_scalar(B::float_mul_scalar(norm.clone(), 0.0.into()), 1.0.into()),
    };
    let factor = B::float_mask_fill(factor, B::bool_not(is_finite), f64::from(NOT_FINITE).into());
    B::float_cat(vec![norm, factor], 0)
}
