//! Fused cross-entropy on GPUs: the loss and the gradient of the logits in three CubeCL kernels.

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;

use super::{CrossEntropyKernel, IGNORE_INDEX};
use crate::cube::reduce::{largest, new_partials, sum, sum_number};
use crate::cube::{NO_SCORE, cube_per_row, is_f32, new_tensor, rows_and_width, units_per_row};

impl CrossEntropyKernel for CubeBackend {
    fn cross_entropy_with_gradient(
        logits: &FloatTensor<Self>,
        targets: &IntTensor<Self>,
        smoothing: f64,
    ) -> Option<[FloatTensor<Self>; 2]> {
        let [n_rows, width] = rows_and_width(logits);
        if !is_f32(logits) || targets.dtype != DType::I32 || n_rows == 0 || width == 0 {
            return None;
        }
        let (logits, targets) = (into_contiguous(logits.clone()), into_contiguous(targets.clone()));
        let (client, n_units) = (logits.client.clone(), units_per_row(&logits, width));
        let total_units = units_per_row(&logits, n_rows);
        let share = new_tensor(&logits, Shape::new([1]));
        let losses = new_tensor(&logits, Shape::new([n_rows]));
        let loss = new_tensor(&logits, Shape::new([1]));
        let gradient = new_tensor(&logits, logits.shape());
        count_targets::launch(
            &client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(total_units as u32),
            targets.clone().into_buffer_arg(),
            share.clone().into_buffer_arg(),
            total_units,
        );
        lose_rows::launch(
            &client,
            cube_per_row(n_rows),
            CubeDim::new_1d(n_units as u32),
            logits.into_buffer_arg(),
            targets.into_buffer_arg(),
            share.into_buffer_arg(),
            losses.clone().into_buffer_arg(),
            gradient.clone().into_buffer_arg(),
            width as u32,
            smoothing as f32,
            n_units,
        );
        add_losses::launch(
            &client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(total_units as u32),
            losses.into_buffer_arg(),
            loss.clone().into_buffer_arg(),
            total_units,
        );
        Some([loss, gradient])
    }
}

/// Writes the share of each row with a target in the mean, to `share[0]`.
#[cube(launch)]
fn count_targets(targets: &[i32], share: &mut [f32], #[comptime] n_units: usize) {
    let mut partials = new_partials::<Const<1>>(n_units);
    let mut count = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < targets.len() {
        if targets[at] != IGNORE_INDEX {
            count += 1.0;
        }
        at += n_units;
    }
    let count = sum_number(count, &mut partials, n_units);
    if UNIT_POS == 0 {
        share[0] = 1.0 / max(count, 1.0f32);
    }
}

/// Writes the share of one row in the loss, and the gradient of its logits.
#[cube(launch)]
fn lose_rows(
    logits: &[f32],
    targets: &[i32],
    share: &[f32],
    losses: &mut [f32],
    gradient: &mut [f32],
    width: u32,
    smoothing: f32,
    #[comptime] n_units: usize,
) {
    let row = CUBE_POS;
    if row >= targets.len() {
        terminate!();
    }
    let width = width as usize;
    let (start, unit) = (row * width, UNIT_POS as usize);
    let mut partials = new_partials::<Const<1>>(n_units);
    let mut pairs = new_partials::<Const<2>>(n_units);

    let mut highest = NO_SCORE.runtime();
    let mut column = unit;
    while column < width {
        highest = max(highest, logits[start + column]);
        column += n_units;
    }
    let highest = largest(highest, &mut partials, n_units);
    let mut exponentials = 0.0f32;
    let mut total = 0.0f32;
    let mut column = unit;
    while column < width {
        let logit = logits[start + column] - highest;
        exponentials += f32::exp(logit);
        total += logit;
        column += n_units;
    }
    let mut pair = Vector::<f32, Const<2>>::new(exponentials);
    pair.insert(1usize, total);
    let pair = sum::<Const<2>>(pair, &mut pairs, n_units);
    let log_sum = f32::ln(pair.extract(0usize));
    let mean = pair.extract(1usize) / width as f32;

    let target = targets[row];
    let mut weight = share[0];
    let mut gold = 0usize.runtime();
    if target == IGNORE_INDEX {
        weight = 0.0f32;
    } else {
        gold = target as usize;
    }
    let uniform = smoothing / width as f32;
    let mut column = unit;
    while column < width {
        let mut slope = f32::exp(logits[start + column] - highest - log_sum) - uniform;
        if column == gold {
            slope -= 1.0 - smoothing;
        }
        gradient[start + column] = slope * weight;
        column += n_units;
    }
    if unit == 0 {
        let logit = logits[start + gold] - highest;
        let loss = (log_sum - logit) * (1.0 - smoothing) + (log_sum - mean) * smoothing;
        losses[row] = loss * weight;
    }
}

/// Adds the losses of all rows.
#[cube(launch)]
fn add_losses(losses: &[f32], loss: &mut [f32], #[comptime] n_units: usize) {
    let mut partials = new_partials::<Const<1>>(n_units);
    let mut total = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < losses.len() {
        total += losses[at];
        at += n_units;
    }
    let total = sum_number(total, &mut partials, n_units);
    if UNIT_POS == 0 {
        loss[0] = total;
    }
}
