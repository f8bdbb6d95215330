//! Linear layer and GELU on GPUs: the bias is added in the kernel of the activation.

use burn::backend::TensorMetadata as _;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;

use super::LinearGeluKernel;
use crate::cube::{is_f32, new_tensor};
use crate::gelu::GeluKernel as _;
use crate::gelu::cube::{gelu_at, gelu_slope_at};
use crate::linear::{LinearKernel as _, Operands};
use crate::shapes::as_row;

impl LinearGeluKernel for CubeBackend {
    fn product(operands: &Operands<Self>, _bias: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::linear_product(operands.x.clone(), operands.weight.clone())
    }

    fn activate(product: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&product) {
            return Self::gelu_forward(biased(product, bias));
        }
        let (x, bias) = (into_contiguous(product), into_contiguous(bias));
        let (client, n_elements) = (x.client.clone(), x.shape().num_elements());
        let output = new_tensor(&x, x.shape());
        let cube_dim = CubeDim::new(&client, n_elements);
        let cube_count = calculate_cube_count_elemwise(&client, n_elements, cube_dim);
        let (x, bias) = (x.into_buffer_arg(), bias.into_buffer_arg());
        let out = output.clone().into_buffer_arg();
        biased_gelu::launch(&client, cube_count, cube_dim, x, bias, out);
        output
    }

    fn activate_grad(
        product: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !is_f32(&product) {
            return Self::gelu_grad(biased(product, bias), grad);
        }
        let (x, bias) = (into_contiguous(product), into_contiguous(bias));
        let grad = into_contiguous(grad);
        let (client, n_elements) = (x.client.clone(), x.shape().num_elements());
        let output = new_tensor(&x, x.shape());
        let cube_dim = CubeDim::new(&client, n_elements);
        let cube_count = calculate_cube_count_elemwise(&client, n_elements, cube_dim);
        let (x, bias, grad) = (x.into_buffer_arg(), bias.into_buffer_arg(), grad.into_buffer_arg());
        let out = output.clone().into_buffer_arg();
        biased_gelu_grad::launch(&client, cube_count, cube_dim, x, bias, grad, out);
        output
    }
}

/// Sum of a product and its bias, in a kernel of its own.
fn biased(
    product: FloatTensor<CubeBackend>,
    bias: FloatTensor<CubeBackend>,
) -> FloatTensor<CubeBackend> {
    let n_dims = product.shape().num_dims();
    CubeBackend::float_add(product, as_row::<CubeBackend>(bias, n_dims))
}

#[cube(launch)]
fn biased_gelu(x: &[f32], bias: &[f32], output: &mut [f32]) {
    if ABSOLUTE_POS < output.len() {
        output[ABSOLUTE_POS] = gelu_at(x[ABSOLUTE_POS] + bias[ABSOLUTE_POS % bias.len()]);
    }
}

#[cube(launch)]
fn biased_gelu_grad(x: &[f32], bias: &[f32], grad: &[f32], output: &mut [f32]) {
    if ABSOLUTE_POS < output.len() {
        let x = x[ABSOLUTE_POS] + bias[ABSOLUTE_POS % bias.len()];
        output[ABSOLUTE_POS] = grad[ABSOLUTE_POS] * gelu_slope_at(x);
    }
}
