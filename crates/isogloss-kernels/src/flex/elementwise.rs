//! One pass over memory each: dropout, GELU, the sum of squares and the AdamW step.

use burn::backend::TensorMetadata;
use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::simd::{normal, vectorized};
use super::{Dense, from_values};
use crate::Dropout;
use crate::dispatch::AdamW;

/// Elements that one task works on: 64 KiB, about a first-level cache.
const BLOCK: usize = 16 * 1024;

pub(super) fn dropout(x: FlexTensor, dropout: Dropout) -> FlexTensor {
    let shape = x.shape();
    let row_len = shape.as_slice().last().copied().unwrap_or(1).max(1);
    let rows_per_task = (BLOCK / row_len).max(1);
    let mut x = Dense::new(x);
    x.values_mut().par_chunks_mut(rows_per_task * row_len).enumerate().for_each(|(task, rows)| {
        vectorized(|| {
            for (i, row) in rows.chunks_mut(row_len).enumerate() {
                dropout.apply(row, (task * rows_per_task + i) as u64);
            }
        });
    });
    x.0
}

pub(super) fn gelu(x: FlexTensor) -> FlexTensor {
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

pub(super) fn gelu_backward(x: FlexTensor, grad: FlexTensor) -> FlexTensor {
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

/// Adds in `f64`, block by block.
pub(super) fn sum_of_squares(x: FlexTensor) -> FlexTensor {
    let x = Dense::new(x);
    let sums: Vec<f64> = x
        .values()
        .par_chunks(BLOCK)
        .map(|block| {
            vectorized(|| {
                let mut lanes = [0f64; 16];
                let (chunks, rest) = block.as_chunks::<16>();
                for chunk in chunks {
                    for (lane, value) in lanes.iter_mut().zip(chunk) {
                        *lane += f64::from(*value) * f64::from(*value);
                    }
                }
                let rest: f64 = rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
                lanes.iter().sum::<f64>() + rest
            })
        })
        .collect();
    from_values(vec![sums.into_iter().sum::<f64>() as f32], Shape::new([1]))
}

pub(super) fn adamw(
    param: FlexTensor,
    grad: FlexTensor,
    moment_1: FlexTensor,
    moment_2: FlexTensor,
    config: AdamW,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let factors = config.factors();
    let (keep, step_size) = (factors.keep as f32, factors.step_size as f32);
    let root_scale = (1.0 / factors.root_correction) as f32;
    let (beta_1, beta_2) = (config.beta_1 as f32, config.beta_2 as f32);
    let (gain_1, gain_2) = ((1.0 - config.beta_1) as f32, (1.0 - config.beta_2) as f32);
    let (epsilon, grad_scale) = (config.epsilon as f32, config.grad_scale as f32);

    let grad = Dense::new(grad);
    let mut param = Dense::new(param);
    let (mut moment_1, mut moment_2) = (Dense::new(moment_1), Dense::new(moment_2));
    // Rows are not cut by blocks.
    let row = config.lazy_row.unwrap_or(BLOCK);
    let block = BLOCK.div_ceil(row) * row;
    param
        .values_mut()
        .par_chunks_mut(block)
        .zip(grad.values().par_chunks(block))
        .zip(moment_1.values_mut().par_chunks_mut(block))
        .zip(moment_2.values_mut().par_chunks_mut(block))
        .for_each(|(((param, grad), moment_1), moment_2)| {
            let rows = param.chunks_mut(row).zip(grad.chunks(row));
            let moments = moment_1.chunks_mut(row).zip(moment_2.chunks_mut(row));
            for ((param, grad), (moment_1, moment_2)) in rows.zip(moments) {
                if config.lazy_row.is_some() && grad.iter().all(|x| *x == 0.0) {
                    continue;
                }
                vectorized(|| {
                    let moments = moment_1.iter_mut().zip(moment_2.iter_mut());
                    for ((param, grad), (m, v)) in param.iter_mut().zip(grad).zip(moments) {
                        let grad = grad * grad_scale;
                        *m = beta_1 * *m + gain_1 * grad;
                        *v = beta_2 * *v + gain_2 * grad * grad;
                        *param =
                            *param * keep - step_size * (*m / (v.sqrt() * root_scale + epsilon));
                    }
                });
            }
        });
    (param.0, moment_1.0, moment_2.0)
}
