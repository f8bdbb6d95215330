//! Fused CPU kernels for `f32`; other types take the composition.
//!
//! Work is cut into blocks of fixed size, so that results do not depend on the number of threads.

mod attention;
mod elementwise;
mod gemm;
mod linear;
mod norm;
#[cfg(any(test, target_arch = "wasm32"))]
mod rows;
mod simd;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_flex::FlexTensor;

use crate::dispatch::{AdamW, AttentionInputs, Compute, Optimize};
use crate::{Dropout, compose};

/// The elements of a dense `f32` tensor.
struct Dense(FlexTensor);

impl Dense {
    fn new(tensor: FlexTensor) -> Self {
        // The original handle goes with this call, so that an only owner stays the only one.
        Self(tensor.to_contiguous())
    }

    fn values(&self) -> &[f32] {
        self.0.storage()
    }

    /// Copies first if the elements have another owner.
    fn values_mut(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }
}

fn from_values(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(burn::tensor::TensorData::new(values, shape))
}

fn is_f32(x: &FlexTensor) -> bool {
    x.dtype() == DType::F32
}

impl Compute for Flex {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return compose::linear::<Self>(x, weight, bias);
        }
        linear::forward(x, weight, bias)
    }

    fn linear_grad_input(grad: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&grad) {
            return compose::linear_grad_input::<Self>(grad, weight);
        }
        linear::grad_input(grad, weight)
    }

    fn linear_grad_weight(grad: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&grad) {
            return compose::linear_grad_weight::<Self>(grad, x);
        }
        linear::grad_weight(grad, x)
    }

    fn drop_out(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        if dropout.is_off() || !is_f32(&x) {
            return compose::dropout::<Self>(x, dropout);
        }
        elementwise::dropout(x, dropout)
    }

    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return compose::gelu::<Self>(x);
        }
        elementwise::gelu(x)
    }

    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return compose::gelu_backward::<Self>(x, grad);
        }
        elementwise::gelu_backward(x, grad)
    }

    fn layer_norm_forward(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !is_f32(&x) {
            return compose::layer_norm::<Self>(x, residual, gamma, beta, epsilon, dropout);
        }
        norm::forward(x, residual, gamma, beta, epsilon, dropout)
    }

    fn layer_norm_backward(
        sum: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        if !is_f32(&sum) {
            return compose::layer_norm_backward::<Self>(sum, gamma, epsilon, grad);
        }
        norm::backward(sum, gamma, epsilon, grad)
    }

    fn attention_forward(
        inputs: AttentionInputs<Self>,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>) {
        if !is_f32(&inputs.query) {
            return (compose::attention::<Self>(inputs), None);
        }
        let (context, normalizers) = attention::forward(inputs);
        (context, Some(normalizers))
    }

    fn attention_backward(
        inputs: AttentionInputs<Self>,
        kept: Option<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        match kept {
            Some(normalizers) => attention::backward(inputs, normalizers, grad),
            None => compose::attention_backward::<Self>(inputs, grad),
        }
    }
}

impl Optimize for Flex {
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return compose::sum_of_squares::<Self>(x);
        }
        elementwise::sum_of_squares(x)
    }

    fn adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        config: AdamW,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if !is_f32(&param) {
            return compose::adamw::<Self>(param, grad, moment_1, moment_2, config);
        }
        elementwise::adamw(param, grad, moment_1, moment_2, config)
    }
}
