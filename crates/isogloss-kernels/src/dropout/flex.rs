//! Dropout on the CPU, in place, in one pass over memory.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{DropoutKernel, composed};
use crate::flex::simd::vectorized;
use crate::flex::{BLOCK, Dense, is_f32};
use crate::mask::Dropout;

impl DropoutKernel for Flex {
    fn drop_out(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        if dropout.is_off() || !is_f32(&x) {
            return composed::<Self>(x, dropout);
        }
        multiply_mask(x, dropout)
    }
}

fn multiply_mask(x: FlexTensor, dropout: Dropout) -> FlexTensor {
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
