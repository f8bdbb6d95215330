//! Fused GELU on the CPU: one pass over memory forward, one backward.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{GeluKernel, composed, composed_backward};
use crate::flex::simd::{normal, vectorized};
use crate::flex::{BLOCK, Dense, from_values, is_f32};

impl GeluKernel for Flex {
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

fn forward(x: FlexTensor) -> FlexTensor {
    let shape = x.shape();
    let x = Dense::new(x);
    let mut out = vec![0.0; x.values().len()];
    out.par_chunks_mut(BLOCK).zip(x.values().par_chunks(BLOCK)).for_each(|(out, x)| {
        vectorized(|| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = x * normal(x).0;
            }
        });
    });
    from_values(out, shape)
}

fn backward(x: FlexTensor, grad: FlexTensor) -> FlexTensor {
    let (x, mut grad) = (Dense::new(x), Dense::new(grad));
    grad.values_mut().par_chunks_mut(BLOCK).zip(x.values().par_chunks(BLOCK)).for_each(
        |(grad, x)| {
            vectorized(|| {
                for (grad, &x) in grad.iter_mut().zip(x) {
                    let (cdf, density) = normal(x);
                    *grad *= cdf + x * density;
                }
            });
        },
    );
    grad.0
}
