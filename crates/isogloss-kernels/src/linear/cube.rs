//! Linear layer on GPUs: matrix products of CubeK, with operands in half precision where that is
//! set and the accumulation and the result in `f32`.

use burn::backend::TensorMetadata as _;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, FloatDType};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::cast;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};

use super::{LinearKernel, composed_grad_input, composed_grad_weight, composed_product};
use crate::shapes::{as_row, as_rows, with_last_dim};

impl LinearKernel for CubeBackend {
    fn half_operand(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        cast(x, half.into())
    }

    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let product = Self::linear_product(x, weight);
        let n_dims = product.shape().num_dims();
        Self::float_add(product, as_row::<Self>(bias, n_dims))
    }

    fn linear_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_half(&x) {
            return composed_product::<Self>(x, weight);
        }
        let [n_outputs, _] = weight.shape().dims();
        let shape = with_last_dim(&x.shape(), n_outputs);
        let product = product(as_rows::<Self>(x), Self::float_transpose(weight));
        Self::float_reshape(product, shape)
    }

    fn linear_grad_input(grad: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_half(&grad) {
            return composed_grad_input::<Self>(grad, weight);
        }
        let [_, n_inputs] = weight.shape().dims();
        let shape = with_last_dim(&grad.shape(), n_inputs);
        Self::float_reshape(product(as_rows::<Self>(grad), weight), shape)
    }

    fn linear_grad_weight(grad: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_half(&grad) {
            return composed_grad_weight::<Self>(grad, x);
        }
        product(Self::float_transpose(as_rows::<Self>(grad)), as_rows::<Self>(x))
    }
}

fn is_half(x: &FloatTensor<CubeBackend>) -> bool {
    matches!(x.dtype, DType::F16 | DType::BF16)
}

/// Product of two matrices in half precision, as `f32`.
fn product(
    left: FloatTensor<CubeBackend>,
    right: FloatTensor<CubeBackend>,
) -> FloatTensor<CubeBackend> {
    matmul(left, right, None, MatmulStrategy::default(), DType::F32)
        .expect("a naive kernel takes any matrices")
}
