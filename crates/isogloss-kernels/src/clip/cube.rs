//! Gradient clipping on GPUs: partial sums of squares of many gradients in one CubeCL kernel, and
//! their total, the norm and the factor in another.

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{ClipKernel, EPSILON, NOT_FINITE, composed};
use crate::cube::blocks::{BLOCK, UNITS, n_blocks, tensors_per_launch};
use crate::cube::reduce::{new_partials, sum_number};
use crate::cube::{cube_per_row, is_f32, new_tensor, units_per_row};

impl ClipKernel for CubeBackend {
    fn clip_by_global_norm(
        gradients: Vec<FloatTensor<Self>>,
        max_norm: Option<f64>,
    ) -> FloatTensor<Self> {
        if !gradients.iter().all(is_f32) {
            return composed::<Self>(gradients, max_norm);
        }
        clip(gradients.into_iter().map(into_contiguous).collect(), max_norm)
    }
}

fn clip(gradients: Vec<CubeTensor>, max_norm: Option<f64>) -> CubeTensor {
    let first = gradients.first().expect("there are gradients");
    let client = first.client.clone();
    let n_units = units_per_row(first, UNITS);
    let cube_dim = CubeDim::new_1d(n_units as u32);
    let blocks_of = |x: &CubeTensor| n_blocks(x.shape().num_elements());
    let n_partials = gradients.iter().map(blocks_of).sum::<usize>();
    let partials = new_tensor(first, Shape::new([n_partials]));
    let output = new_tensor(first, Shape::new([2]));
    let mut start = 0;
    // One more buffer holds the partial sums.
    for group in gradients.chunks(tensors_per_launch(first, 1, 1)) {
        let n_blocks = group.iter().map(blocks_of).sum::<usize>();
        sum_squares::launch(
            &client,
            cube_per_row(n_blocks),
            cube_dim,
            group.iter().map(|x| x.clone().into_buffer_arg()).collect(),
            partials.clone().into_buffer_arg(),
            start as u32,
            n_units,
        );
        start += n_blocks;
    }
    clip_factor::launch(
        &client,
        CubeCount::Static(1, 1, 1),
        cube_dim,
        partials.into_buffer_arg(),
        output.clone().into_buffer_arg(),
        max_norm.unwrap_or_default() as f32,
        max_norm.is_some(),
        n_units,
    );
    output
}

/// Writes the sum of squares of each block of some tensors to `partials`, from `start`.
#[cube(launch)]
fn sum_squares(
    tensors: &Sequence<Box<[f32]>>,
    partials: &mut [f32],
    start: u32,
    #[comptime] n_units: usize,
) {
    let mut shared = new_partials::<Const<1>>(n_units);
    let mut total = 0.0f32;
    let mut first = 0usize.runtime();
    #[unroll]
    for index in 0..tensors.len() {
        let tensor = tensors.index(index);
        let n_blocks = tensor.len().div_ceil(BLOCK);
        if CUBE_POS >= first && CUBE_POS < first + n_blocks {
            let begin = (CUBE_POS - first) * BLOCK;
            let end = min(begin + BLOCK, tensor.len());
            let mut at = begin + UNIT_POS as usize;
            while at < end {
                total += tensor[at] * tensor[at];
                at += n_units;
            }
        }
        first += n_blocks;
    }
    let total = sum_number(total, &mut shared, n_units);
    if UNIT_POS == 0 && CUBE_POS < first {
        partials[start as usize + CUBE_POS] = total;
    }
}

/// Writes the norm and the clip factor.
#[cube(launch)]
fn clip_factor(
    partials: &[f32],
    output: &mut [f32],
    max_norm: f32,
    #[comptime] clips: bool,
    #[comptime] n_units: usize,
) {
    let mut shared = new_partials::<Const<1>>(n_units);
    let mut total = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < partials.len() {
        total += partials[at];
        at += n_units;
    }
    let total = sum_number(total, &mut shared, n_units);
    if UNIT_POS == 0 {
        let norm = f32::sqrt(total);
        let mut factor = 1.0f32;
        if clips {
            factor = min(max_norm / (norm + EPSILON as f32), 1.0f32);
        }
        // Infinity and NaN by their bits: shaders may assume that there are none.
        let exponent = u32::reinterpret(norm) & 0x7f80_0000u32;
        if exponent == 0x7f80_0000u32 {
            factor = NOT_FINITE.runtime();
        }
        output[0] = norm;
        output[1] = factor;
    }
}
