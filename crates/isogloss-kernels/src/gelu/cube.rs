//! Fused GELU on GPUs: one CubeCL kernel forward, one backward.

use std::f32::consts::FRAC_1_SQRT_2;

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{GeluKernel, composed, composed_backward};
use crate::cube::{is_f32, new_tensor};

/// Density of the standard normal distribution at zero, `1 / √(2π)`.
const DENSITY_AT_ZERO: f32 = 0.398_942_3;

impl GeluKernel for CubeBackend {
    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return composed::<Self>(x);
        }
        forward(x)
    }

    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return composed_backward::<Self>(x, grad);
        }
        backward(x, grad)
    }
}

fn forward(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let (client, n_elements) = (x.client.clone(), x.shape().num_elements());
    let output = new_tensor(&x, x.shape());
    let cube_dim = CubeDim::new(&client, n_elements);
    let cube_count = calculate_cube_count_elemwise(&client, n_elements, cube_dim);
    let (x, out) = (x.into_buffer_arg(), output.clone().into_buffer_arg());
    gelu::launch(&client, cube_count, cube_dim, x, out);
    output
}

fn backward(x: CubeTensor, grad: CubeTensor) -> CubeTensor {
    let (x, grad) = (into_contiguous(x), into_contiguous(grad));
    let (client, n_elements) = (x.client.clone(), x.shape().num_elements());
    let output = new_tensor(&x, x.shape());
    let cube_dim = CubeDim::new(&client, n_elements);
    let cube_count = calculate_cube_count_elemwise(&client, n_elements, cube_dim);
    let (x, grad) = (x.into_buffer_arg(), grad.into_buffer_arg());
    gelu_grad::launch(&client, cube_count, cube_dim, x, grad, output.clone().into_buffer_arg());
    output
}

/// Cumulative distribution function of the standard normal distribution, `Φ(x)`.
#[cube]
fn normal_cdf(x: f32) -> f32 {
    (Erf::erf(x * FRAC_1_SQRT_2) + 1.0) * 0.5
}

/// GELU of one value, `x Φ(x)`.
#[cube]
pub(crate) fn gelu_at(x: f32) -> f32 {
    normal_cdf(x) * x
}

/// Derivative of GELU at one value, `Φ(x) + x φ(x)`.
#[cube]
pub(crate) fn gelu_slope_at(x: f32) -> f32 {
    let density = f32::exp(x * x * -0.5f32) * DENSITY_AT_ZERO;
    normal_cdf(x) + x * density
}

#[cube(launch)]
fn gelu(x: &[f32], output: &mut [f32]) {
    if ABSOLUTE_POS < output.len() {
        output[ABSOLUTE_POS] = gelu_at(x[ABSOLUTE_POS]);
    }
}

#[cube(launch)]
fn gelu_grad(x: &[f32], grad: &[f32], output: &mut [f32]) {
    if ABSOLUTE_POS < output.len() {
        output[ABSOLUTE_POS] = grad[ABSOLUTE_POS] * gelu_slope_at(x[ABSOLUTE_POS]);
    }
}
