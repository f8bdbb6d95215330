//! Fused AdamW step with a sparse gradient on GPUs, in place: one CubeCL kernel over the rows that
//! change.

use burn::backend::TensorMetadata as _;
use burn::backend::ops::IntTensorOps as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

use super::{Param, SparseAdamW, Stepped, composed};
use crate::adamw::AdamWStep;
use crate::adamw::cube::{Numbers, numbers, owned, step_element};
use crate::cube::blocks::{BLOCK, UNITS, n_blocks};
use crate::cube::{cube_per_row, is_f32, units_per_row};

impl SparseAdamW for CubeBackend {
    fn sparse_adamw(
        values: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        rows: IntTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        clip: FloatTensor<Self>,
        config: AdamWStep,
    ) -> Stepped<Self> {
        let are_f32 = [&values, &gradient, &moment_1, &moment_2].into_iter().all(is_f32);
        if !are_f32 || rows.dtype != DType::I32 {
            let param = Param { values, gradient, rows, moment_1, moment_2 };
            return composed::<Self>(param, clip, config);
        }
        let param = Param {
            values: owned(values),
            gradient: into_contiguous(gradient),
            rows: into_contiguous(rows),
            moment_1: owned(moment_1),
            moment_2: owned(moment_2),
        };
        step(&param, clip, config);
        (param.values, param.moment_1, param.moment_2)
    }
}

/// Updates values and moments in place.
fn step(param: &Param<CubeBackend>, clip: CubeTensor, config: AdamWStep) {
    let Param { values, gradient, rows, moment_1, moment_2 } = param;
    let [n_given, width] = gradient.shape().dims();
    let (client, n_units) = (clip.client.clone(), units_per_row(&clip, UNITS));
    let cube_dim = CubeDim::new(&client, n_given);
    let cube_count = calculate_cube_count_elemwise(&client, n_given, cube_dim);
    let from = rows.clone().into_buffer_arg();
    let (is_lazy, found) = match config.lazy_row {
        Some(_) => {
            let device = values.device.clone();
            let shape = Shape::new([n_given]);
            let found = empty_device_contiguous_dtype(client.clone(), device, shape, DType::I32);
            let gradient = gradient.clone().into_buffer_arg();
            let to = found.clone().into_buffer_arg();
            let width = width as u32;
            find_learning_rows::launch(&client, cube_count, cube_dim, gradient, from, to, width);
            (true, found)
        }
        None => {
            let shape = Shape::new([values.shape().num_elements() / width]);
            let found = CubeBackend::int_zeros(shape, &values.device, IntDType::I32);
            let to = found.clone().into_buffer_arg();
            find_gradients::launch(&client, cube_count, cube_dim, from, to);
            (false, found)
        }
    };
    let n_blocks = n_blocks(found.shape().num_elements() * width);
    step_rows::launch(
        &client,
        cube_per_row(n_blocks),
        CubeDim::new_1d(n_units as u32),
        values.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        moment_1.clone().into_buffer_arg(),
        moment_2.clone().into_buffer_arg(),
        found.into_buffer_arg(),
        clip.into_buffer_arg(),
        width as u32,
        numbers(config),
        is_lazy,
        n_units,
    );
}

/// Writes for each row of the gradient the row of the matrix that it is of, counted from 1; 0 if it
/// is zero.
#[cube(launch)]
fn find_learning_rows(gradient: &[f32], rows: &[i32], found: &mut [i32], width: u32) {
    if ABSOLUTE_POS < rows.len() {
        let start = ABSOLUTE_POS * width as usize;
        let mut row = 0i32;
        for offset in 0..width {
            if gradient[start + offset as usize] != 0.0f32 {
                row = rows[ABSOLUTE_POS] + 1i32;
            }
        }
        found[ABSOLUTE_POS] = row;
    }
}

/// Writes for each row of the matrix that has a gradient the row of the gradient, counted from 1.
#[cube(launch)]
fn find_gradients(rows: &[i32], found: &mut [i32]) {
    if ABSOLUTE_POS < rows.len() {
        found[rows[ABSOLUTE_POS] as usize] = ABSOLUTE_POS as i32 + 1i32;
    }
}

/// Takes the step of the matrix, each cube for one block of it, where `found` has the rows of the
/// gradient; a lazy step is that of the rows in `found`, each cube for one block of the gradient.
#[cube(launch)]
fn step_rows(
    values: &mut [f32],
    gradient: &[f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    found: &[i32],
    clip: &[f32],
    width: u32,
    numbers: Numbers,
    #[comptime] is_lazy: bool,
    #[comptime] n_units: usize,
) {
    let grad_scale = clip[1];
    if grad_scale < 0.0 {
        terminate!();
    }
    let width = width as usize;
    let len = found.len() * width;
    let begin = CUBE_POS * BLOCK;
    let end = min(begin + BLOCK, len);
    let mut at = begin + UNIT_POS as usize;
    while at < end {
        let other = found[at / width];
        if comptime!(is_lazy) {
            if other > 0 {
                let element = (other - 1) as usize * width + at % width;
                let grad = gradient[at] * grad_scale;
                step_element(values, grad, moment_1, moment_2, element, &numbers);
            }
        } else {
            let mut grad = 0.0f32;
            if other > 0 {
                grad = gradient[(other - 1) as usize * width + at % width] * grad_scale;
            }
            step_element(values, grad, moment_1, moment_2, at, &numbers);
        }
        at += n_units;
    }
}
