//! Gradient clipping on the CPU.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use super::{ClipKernel, EPSILON, NOT_FINITE, composed};
use crate::flex::{Dense, from_values, is_f32};
use crate::sum_of_squares::SumOfSquaresKernel as _;

impl ClipKernel for Flex {
    fn clip_by_global_norm(
        gradients: Vec<FloatTensor<Self>>,
        max_norm: Option<f64>,
    ) -> FloatTensor<Self> {
        if !gradients.iter().all(is_f32) {
            return composed::<Self>(gradients, max_norm);
        }
        let squares = gradients.into_iter().map(|gradient| {
            let square = Dense::new(Self::sum_of_squares(gradient));
            square.values().iter().map(|square| f64::from(*square)).sum::<f64>()
        });
        let norm = squares.sum::<f64>().sqrt();
        let factor = match max_norm {
            _ if !norm.is_finite() => NOT_FINITE,
            Some(max) => (max / (norm + EPSILON)).min(1.0) as f32,
            None => 1.0,
        };
        from_values(vec![norm as f32, factor], [2].into())
    }
}
