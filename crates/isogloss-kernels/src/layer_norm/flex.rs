//! Fused layer normalization on the CPU: `LayerNorm(dropout(x) + residual)` in one pass over
//! memory, and its gradient in another.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{LayerNormKernel, Saved, composed, composed_backward, with_dropped};
use crate::flex::simd::{sum, sum_pairs, vectorized};
use crate::flex::{Dense, from_values, is_f32};
use crate::mask::Dropout;

impl LayerNormKernel for Flex {
    fn layer_norm_forward(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> (FloatTensor<Self>, Saved<Self>) {
        let (output, sum) = if is_f32(&x) {
            forward(x, residual, gamma.clone(), beta, epsilon, dropout)
        } else {
            composed::<Self>(x, residual, gamma.clone(), beta, epsilon, dropout)
        };
        (output, Saved { sum, moments: None, gamma, epsilon, dropout })
    }

    fn layer_norm_backward(saved: Saved<Self>, grad: FloatTensor<Self>) -> [FloatTensor<Self>; 4] {
        let dropout = saved.dropout;
        let gradients = if is_f32(&saved.sum) {
            backward(saved, grad)
        } else {
            composed_backward::<Self>(saved, grad)
        };
        with_dropped::<Self>(gradients, dropout)
    }
}

/// Rows that one parallel task works on.
const ROWS: usize = 32;

/// Mean of a row and reciprocal of its standard deviation.
#[inline(always)]
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let mean = sum(row) / row.len() as f32;
    let variance = sum_pairs(row, row, |a, _| (a - mean) * (a - mean)) / row.len() as f32;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

fn forward(
    x: FlexTensor,
    residual: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    epsilon: f64,
    dropout: Dropout,
) -> (FlexTensor, FlexTensor) {
    let shape = x.shape();
    let (gamma, beta) = (Dense::new(gamma), Dense::new(beta));
    let hidden = gamma.values().len();
    let (mut sums, residual) = (Dense::new(x), Dense::new(residual));
    let mut out = vec![0.0; sums.values().len()];
    sums.values_mut()
        .par_chunks_mut(ROWS * hidden)
        .zip(residual.values().par_chunks(ROWS * hidden))
        .zip(out.par_chunks_mut(ROWS * hidden))
        .enumerate()
        .for_each(|(task, ((sums, residual), out))| {
            vectorized(|| {
                let rows = sums.chunks_mut(hidden).zip(residual.chunks(hidden));
                for (i, ((sum, residual), out)) in rows.zip(out.chunks_mut(hidden)).enumerate() {
                    if !dropout.is_off() {
                        dropout.apply(sum, (task * ROWS + i) as u64);
                    }
                    for (sum, residual) in sum.iter_mut().zip(residual) {
                        *sum += residual;
                    }
                    let (mean, reciprocal) = moments(sum, epsilon as f32);
                    let affine = gamma.values().iter().zip(beta.values());
                    for ((out, sum), (gamma, beta)) in out.iter_mut().zip(sum.iter()).zip(affine) {
                        *out = (sum - mean) * reciprocal * gamma + beta;
                    }
                }
            });
        });
    (from_values(out, shape), sums.0)
}

fn backward(saved: Saved<Flex>, grad: FlexTensor) -> [FlexTensor; 3] {
    let Saved { sum, gamma, epsilon, .. } = saved;
    let gamma = Dense::new(gamma);
    let hidden = gamma.values().len();
    let (sums, mut grad) = (Dense::new(sum), Dense::new(grad));
    let partials: Vec<(Vec<f32>, Vec<f32>)> = grad
        .values_mut()
        .par_chunks_mut(ROWS * hidden)
        .zip(sums.values().par_chunks(ROWS * hidden))
        .map(|(grads, sums)| {
            let (mut grad_gamma, mut grad_beta) = (vec![0.0; hidden], vec![0.0; hidden]);
            vectorized(|| {
                for (grad, sum) in grads.chunks_mut(hidden).zip(sums.chunks(hidden)) {
                    let affine = grad_gamma.iter_mut().zip(grad_beta.iter_mut());
                    backward_row(grad, sum, gamma.values(), epsilon as f32, affine);
                }
            });
            (grad_gamma, grad_beta)
        })
        .collect();
    let (mut grad_gamma, mut grad_beta) = (vec![0.0; hidden], vec![0.0; hidden]);
    for (partial_gamma, partial_beta) in &partials {
        grad_gamma.iter_mut().zip(partial_gamma).for_each(|(total, part)| *total += part);
        grad_beta.iter_mut().zip(partial_beta).for_each(|(total, part)| *total += part);
    }
    let shape = Shape::new([hidden]);
    [grad.0, from_values(grad_gamma, shape.clone()), from_values(grad_beta, shape)]
}

/// Backward pass of one row: replaces the output gradient by the input gradient, and accumulates
/// the gradients of gamma and beta.
#[inline(always)]
fn backward_row<'a>(
    grad: &mut [f32],
    sum: &[f32],
    gamma: &[f32],
    epsilon: f32,
    affine: impl Iterator<Item = (&'a mut f32, &'a mut f32)>,
) {
    let (mean, reciprocal) = moments(sum, epsilon);
    let rows = grad.iter_mut().zip(sum).zip(gamma);
    for (((grad, sum), gamma), (grad_gamma, grad_beta)) in rows.zip(affine) {
        *grad_gamma += *grad * (sum - mean) * reciprocal;
        *grad_beta += *grad;
        *grad *= gamma;
    }
    let n = grad.len() as f32;
    let grad_mean = sum_pairs(grad, grad, |a, _| a) / n;
    let projection = sum_pairs(grad, sum, |g, x| g * (x - mean) * reciprocal) / n;
    for (grad, x) in grad.iter_mut().zip(sum) {
        *grad = (*grad - grad_mean - (x - mean) * reciprocal * projection) * reciprocal;
    }
}
