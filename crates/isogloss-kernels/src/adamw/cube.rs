//! Fused AdamW step on GPUs: one CubeCL kernel for a parameter, in place; a second one where updates
//! are lazy.

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

use super::{AdamWKernel, AdamWStep, composed};

impl AdamWKernel for CubeBackend {
    fn adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        config: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if [&param, &grad, &moment_1, &moment_2].iter().any(|x| x.dtype != DType::F32) {
            return composed::<Self>(param, grad, moment_1, moment_2, config);
        }
        step(param, grad, moment_1, moment_2, config)
    }
}

fn step(
    param: CubeTensor,
    grad: CubeTensor,
    moment_1: CubeTensor,
    moment_2: CubeTensor,
    config: AdamWStep,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let grad = into_contiguous(grad);
    let [param, moment_1, moment_2] = [param, moment_1, moment_2].map(owned);
    let (client, n_elements) = (param.client.clone(), param.shape().num_elements());
    let factors = config.factors();
    let cube_dim = CubeDim::new(&client, n_elements);
    let cube_count = calculate_cube_count_elemwise(&client, n_elements, cube_dim);
    let numbers = NumbersLaunch::new(
        config.grad_scale as f32,
        config.beta_1 as f32,
        (1.0 - config.beta_1) as f32,
        config.beta_2 as f32,
        (1.0 - config.beta_2) as f32,
        factors.root_correction as f32,
        config.epsilon as f32,
        factors.keep as f32,
        factors.step_size as f32,
    );
    let mask = config.lazy_row.map(|row| (row, nonzero_rows(&grad, row)));
    let (param_arg, grad) = (param.clone().into_buffer_arg(), grad.into_buffer_arg());
    let first = moment_1.clone().into_buffer_arg();
    let second = moment_2.clone().into_buffer_arg();
    match mask {
        None => {
            step_all::launch(
                &client, cube_count, cube_dim, param_arg, grad, first, second, numbers,
            );
        }
        Some((row, mask)) => {
            let mask = mask.into_buffer_arg();
            step_rows::launch(
                &client, cube_count, cube_dim, param_arg, grad, first, second, mask, row as u32,
                numbers,
            );
        }
    }
    (param, moment_1, moment_2)
}

/// The tensor with a contiguous buffer of its own, to be written to.
fn owned(x: CubeTensor) -> CubeTensor {
    if !x.is_contiguous() {
        return into_contiguous(x);
    }
    if x.can_mut() && x.is_contiguous_buffer() { x } else { x.copy() }
}

/// Mask of nonzero rows: one for each row of `width` elements that has a nonzero element, else zero.
fn nonzero_rows(x: &CubeTensor, width: usize) -> CubeTensor {
    let (client, n_rows) = (x.client.clone(), x.shape().num_elements() / width);
    let shape = Shape::new([n_rows]);
    let output = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape, DType::F32);
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
struct Numbers {
    grad_scale: f32,
    beta_1: f32,
    gain_1: f32,
    beta_2: f32,
    gain_2: f32,
    root_correction: f32,
    epsilon: f32,
    keep: f32,
    step_size: f32,
}

#[cube(launch)]
fn step_all(
    param: &mut [f32],
    grad: &[f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    numbers: Numbers,
) {
    if ABSOLUTE_POS < param.len() {
        step_element(param, grad, moment_1, moment_2, ABSOLUTE_POS, numbers);
    }
}

#[cube(launch)]
fn step_rows(
    param: &mut [f32],
    grad: &[f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    nonzero_rows: &[f32],
    row: u32,
    numbers: Numbers,
) {
    if ABSOLUTE_POS >= param.len() {
        terminate!();
    }
    if nonzero_rows[ABSOLUTE_POS / row as usize] != 0.0f32 {
        step_element(param, grad, moment_1, moment_2, ABSOLUTE_POS, numbers);
    }
}

#[cube]
fn step_element(
    param: &mut [f32],
    grad: &[f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    at: usize,
    numbers: Numbers,
) {
    let grad = grad[at] * numbers.grad_scale;
    let first = moment_1[at] * numbers.beta_1 + grad * numbers.gain_1;
    let second = moment_2[at] * numbers.beta_2 + grad * grad * numbers.gain_2;
    let root = second.sqrt() / numbers.root_correction;
    let direction = first / (root + numbers.epsilon);
    moment_1[at] = first;
    moment_2[at] = second;
    param[at] = param[at] * numbers.keep - direction * numbers.step_size;
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
