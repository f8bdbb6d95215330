//! Sum of squares on the CPU.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{SumOfSquaresKernel, composed};
use crate::flex::simd::vectorized;
use crate::flex::{BLOCK, Dense, from_values, is_f32};

impl SumOfSquaresKernel for Flex {
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return composed::<Self>(x);
        }
        sum(x)
    }
}

/// Accumulates in `f64`, block by block.
fn sum(x: FlexTensor) -> FlexTensor {
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
