//! AdamW step with a sparse gradient on the CPU, in one pass over the rows that change.

use burn::backend::Flex;
use burn::backend::TensorMetadata as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use rayon::prelude::*;

use super::{Param, SparseAdamW, Stepped, composed};
use crate::adamw::AdamWStep;
use crate::adamw::flex::Elements;
use crate::flex::{BLOCK, Dense, is_f32};

impl SparseAdamW for Flex {
    fn sparse_adamw(
        values: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        rows: IntTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        clip: FloatTensor<Self>,
        config: AdamWStep,
    ) -> Stepped<Self> {
        let are_f32 = [&values, &gradient, &moment_1, &moment_2, &clip].into_iter().all(is_f32);
        let param = Param { values, gradient, rows, moment_1, moment_2 };
        if !are_f32 {
            return composed::<Self>(param, clip, config);
        }
        step(param, Dense::new(clip).values()[1], config)
    }
}

/// Step of a matrix whose gradient is multiplied by `grad_scale`; a negative one leaves all as it
/// is.
fn step(param: Param<Flex>, grad_scale: f32, config: AdamWStep) -> Stepped<Flex> {
    let Param { values, gradient, rows, moment_1, moment_2 } = param;
    if grad_scale < 0.0 {
        return (values, moment_1, moment_2);
    }
    let [_, width] = gradient.shape().dims();
    let rows: Vec<usize> = rows.into_data().iter::<i64>().map(|row| row as usize).collect();
    let gradient = Dense::new(gradient);
    let (gradient, none) = (gradient.values(), vec![0.0; width]);
    let (elements, is_lazy) = (Elements::new(config, grad_scale), config.lazy_row.is_some());
    let mut values = Dense::new(values);
    let (mut moment_1, mut moment_2) = (Dense::new(moment_1), Dense::new(moment_2));
    // Blocks are whole rows.
    let rows_of_block = BLOCK.div_ceil(width);
    let block = rows_of_block * width;
    values
        .values_mut()
        .par_chunks_mut(block)
        .zip(moment_1.values_mut().par_chunks_mut(block))
        .zip(moment_2.values_mut().par_chunks_mut(block))
        .enumerate()
        .for_each(|(index, ((values, moment_1), moment_2))| {
            let first = index * rows_of_block;
            let mut next = rows.partition_point(|row| *row < first);
            let moments = moment_1.chunks_mut(width).zip(moment_2.chunks_mut(width));
            let of_block = values.chunks_mut(width).zip(moments);
            for (row, (values, (moment_1, moment_2))) in (first..).zip(of_block) {
                let gradient = if rows.get(next) == Some(&row) {
                    next += 1;
                    &gradient[(next - 1) * width..next * width]
                } else if is_lazy {
                    continue;
                } else {
                    &none
                };
                if is_lazy && gradient.iter().all(|x| *x == 0.0) {
                    continue;
                }
                elements.step(values, gradient, moment_1, moment_2);
            }
        });
    (values.0, moment_1.0, moment_2.0)
}
