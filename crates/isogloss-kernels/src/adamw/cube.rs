//! Fused AdamW step on GPUs: one CubeCL kernel for several parameters (multi-tensor), in place; one
//! more for a parameter whose updates are lazy.

use std::ops::Range;

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{AdamWKernel, AdamWStep, Params, Stepped, composed};
use crate::cube::blocks::{BLOCK, UNITS, n_blocks, tensors_per_launch};
use crate::cube::{cube_per_row, is_f32, new_tensor, units_per_row};

impl AdamWKernel for CubeBackend {
    fn adamw(params: Params<Self>, clip: FloatTensor<Self>, config: AdamWStep) -> Stepped<Self> {
        let Params { values, gradients, moments_1, moments_2 } = &params;
        if ![values, gradients, moments_1, moments_2].into_iter().flatten().all(is_f32) {
            return params.one_by_one(|param| composed::<Self>(param, clip.clone(), config));
        }
        let owned = |tensors: Vec<CubeTensor>| tensors.into_iter().map(owned).collect();
        let params = Params {
            values: owned(params.values),
            gradients: params.gradients.into_iter().map(into_contiguous).collect(),
            moments_1: owned(params.moments_1),
            moments_2: owned(params.moments_2),
        };
        step(&params, &clip, config);
        [params.values, params.moments_1, params.moments_2]
    }
}

/// The tensor with a contiguous buffer of its own, to be written to.
pub(crate) fn owned(x: CubeTensor) -> CubeTensor {
    if !x.is_contiguous() {
        return into_contiguous(x);
    }
    if x.can_mut() { x } else { x.copy() }
}

/// Buffers that a parameter binds.
const BUFFERS: usize = 4;

/// Updates values and moments in place.
fn step(params: &Params<CubeBackend>, clip: &CubeTensor, config: AdamWStep) {
    let n = params.values.len();
    let group = match config.lazy_row {
        Some(_) => 1,
        // Beside the parameters, the clip factor is bound.
        None => tensors_per_launch(clip, BUFFERS, 1),
    };
    for start in (0..n).step_by(group) {
        launch(params, start..(start + group).min(n), clip, config);
    }
}

fn launch(params: &Params<CubeBackend>, range: Range<usize>, clip: &CubeTensor, config: AdamWStep) {
    let client = clip.client.clone();
    let n_units = units_per_row(clip, UNITS);
    let blocks = params.values[range.clone()].iter().map(|x| n_blocks(x.shape().num_elements()));
    let args = |tensors: &[CubeTensor]| {
        tensors[range.clone()].iter().map(|x| x.clone().into_buffer_arg()).collect()
    };
    let masks = config.lazy_row.map(|row| nonzero_rows(&params.gradients[range.start], row));
    step_tensors::launch(
        &client,
        cube_per_row(blocks.sum()),
        CubeDim::new_1d(n_units as u32),
        args(&params.values),
        args(&params.gradients),
        args(&params.moments_1),
        args(&params.moments_2),
        clip.clone().into_buffer_arg(),
        masks.into_iter().map(CubeTensor::into_buffer_arg).collect(),
        config.lazy_row.unwrap_or(1) as u32,
        numbers(config),
        n_units,
    );
}

/// Mask of nonzero rows: one for each row of `width` elements that has a nonzero element, else zero.
fn nonzero_rows(x: &CubeTensor, width: usize) -> CubeTensor {
    let (client, n_rows) = (x.client.clone(), x.shape().num_elements() / width);
    let output = new_tensor(x, Shape::new([n_rows]));
    let cube_dim = CubeDim::new(&client, n_rows);
    mark_nonzero_rows::launch(
        &client,
        calculate_cube_count_elemwise(&client, n_rows, cube_dim),
        cube_dim,
        x.clone().into_buffer_arg(),
        output.clone().into_buffer_arg(),
        width as u32,
    );
    output
}

/// Hyperparameters and factors of a step, the same for all elements.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct Numbers {
    beta_1: f32,
    gain_1: f32,
    beta_2: f32,
    gain_2: f32,
    root_correction: f32,
    epsilon: f32,
    keep: f32,
    step_size: f32,
}

pub(crate) fn numbers(config: AdamWStep) -> NumbersLaunch {
    let factors = config.factors();
    NumbersLaunch::new(
        config.beta_1 as f32,
        (1.0 - config.beta_1) as f32,
        config.beta_2 as f32,
        (1.0 - config.beta_2) as f32,
        factors.root_correction as f32,
        config.epsilon as f32,
        factors.keep as f32,
        factors.step_size as f32,
    )
}

/// Takes the step of several parameters, each cube for one block of one of them. With a mask of
/// nonzero rows, there is one parameter, and only those rows change.
#[cube(launch)]
fn step_tensors(
    values: &mut Sequence<Box<[f32]>>,
    gradients: &Sequence<Box<[f32]>>,
    moments_1: &mut Sequence<Box<[f32]>>,
    moments_2: &mut Sequence<Box<[f32]>>,
    clip: &[f32],
    nonzero_rows: &Sequence<Box<[f32]>>,
    row: u32,
    numbers: Numbers,
    #[comptime] n_units: usize,
) {
    let grad_scale = clip[1];
    if grad_scale < 0.0 {
        terminate!();
    }
    let mut first = 0usize.runtime();
    #[unroll]
    for index in 0..values.len() {
        let len = values.index(index).len();
        let n_blocks = len.div_ceil(BLOCK);
        if CUBE_POS >= first && CUBE_POS < first + n_blocks {
            let begin = (CUBE_POS - first) * BLOCK;
            let end = min(begin + BLOCK, len);
            let mut at = begin + UNIT_POS as usize;
            while at < end {
                let mut learns = true.runtime();
                if comptime!(nonzero_rows.len() == 1) {
                    learns = nonzero_rows.index(0usize)[at / row as usize] != 0.0;
                }
                if learns {
                    step_element(
                        values.index_mut(index),
                        gradients.index(index)[at] * grad_scale,
                        moments_1.index_mut(index),
                        moments_2.index_mut(index),
                        at,
                        &numbers,
                    );
                }
                at += n_units;
            }
        }
        first += n_blocks;
    }
}

#[cube]
pub(crate) fn step_element(
    values: &mut [f32],
    gradient: f32,
    moments_1: &mut [f32],
    moments_2: &mut [f32],
    at: usize,
    numbers: &Numbers,
) {
    let first = moments_1[at] * numbers.beta_1 + gradient * numbers.gain_1;
    let second = moments_2[at] * numbers.beta_2 + gradient * gradient * numbers.gain_2;
    let root = f32::sqrt(second) / numbers.root_correction;
    let direction = first / (root + numbers.epsilon);
    moments_1[at] = first;
    moments_2[at] = second;
    values[at] = values[at] * numbers.keep - direction * numbers.step_size;
}

#[cube(launch)]
fn mark_nonzero_rows(x: &[f32], output: &mut [f32], width: u32) {
    if ABSOLUTE_POS < output.len() {
        let start = ABSOLUTE_POS * width as usize;
        let mut any = 0.0f32;
        for offset in 0..width {
            if x[start + offset as usize] != 0.0f32 {
                any = 1.0f32;
            }
        }
        output[ABSOLUTE_POS] = any;
    }
}
