//! Fused AdamW step on the CPU, in one pass over memory.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{AdamWKernel, AdamWStep, Params, Stepped, composed};
use crate::flex::simd::vectorized;
use crate::flex::{BLOCK, Dense, is_f32};

impl AdamWKernel for Flex {
    fn adamw(params: Params<Self>, clip: FloatTensor<Self>, config: AdamWStep) -> Stepped<Self> {
        params.one_by_one(|param| {
            if param.iter().chain([&clip]).all(is_f32) {
                return step(param, Dense::new(clip.clone()).values()[1], config);
            }
            composed::<Self>(param, clip.clone(), config)
        })
    }
}

/// Step of one parameter, whose gradient is multiplied by `grad_scale`; a negative one leaves all
/// as it is.
fn step(
    [param, grad, moment_1, moment_2]: [FlexTensor; 4],
    grad_scale: f32,
    config: AdamWStep,
) -> [FlexTensor; 3] {
    if grad_scale < 0.0 {
        return [param, moment_1, moment_2];
    }
    let elements = Elements::new(config, grad_scale);
    let grad = Dense::new(grad);
    let mut param = Dense::new(param);
    let (mut moment_1, mut moment_2) = (Dense::new(moment_1), Dense::new(moment_2));
    // Blocks are whole rows.
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
                elements.step(param, grad, moment_1, moment_2);
            }
        });
    [param.0, moment_1.0, moment_2.0]
}

/// Numbers of an AdamW step that are the same for all elements.
pub(crate) struct Elements {
    grad_scale: f32,
    keep: f32,
    step_size: f32,
    root_scale: f32,
    beta_1: f32,
    beta_2: f32,
    gain_1: f32,
    gain_2: f32,
    epsilon: f32,
}

impl Elements {
    pub(crate) fn new(config: AdamWStep, grad_scale: f32) -> Self {
        let factors = config.factors();
        Self {
            grad_scale,
            keep: factors.keep as f32,
            step_size: factors.step_size as f32,
            root_scale: (1.0 / factors.root_correction) as f32,
            beta_1: config.beta_1 as f32,
            beta_2: config.beta_2 as f32,
            gain_1: (1.0 - config.beta_1) as f32,
            gain_2: (1.0 - config.beta_2) as f32,
            epsilon: config.epsilon as f32,
        }
    }

    /// Takes the step of some elements, in place.
    #[inline(always)]
    pub(crate) fn step(
        &self,
        param: &mut [f32],
        grad: &[f32],
        moment_1: &mut [f32],
        moment_2: &mut [f32],
    ) {
        let Self { grad_scale, keep, step_size, root_scale, epsilon, .. } = *self;
        let Self { beta_1, beta_2, gain_1, gain_2, .. } = *self;
        vectorized(|| {
            let moments = moment_1.iter_mut().zip(moment_2.iter_mut());
            for ((param, grad), (m, v)) in param.iter_mut().zip(grad).zip(moments) {
                let grad = grad * grad_scale;
                *m = beta_1 * *m + gain_1 * grad;
                *v = beta_2 * *v + gain_2 * grad * grad;
                *param = *param * keep - step_size * (*m / (v.sqrt() * root_scale + epsilon));
            }
        });
    }
}
