//! Fused layer normalization on GPUs: `LayerNorm(dropout(x) + residual)` in one CubeCL kernel, its
//! gradient in two.

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{LayerNormKernel, Saved, composed, composed_backward, with_dropped};
use crate::cube::mask::{Mask, block_key, factor};
use crate::cube::reduce::{new_partials, sum, sum_number};
use crate::cube::{cube_per_row, is_f32, new_tensor, rows_and_width, units_per_row};
use crate::mask::Dropout;

impl LayerNormKernel for CubeBackend {
    fn layer_norm_output(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        if [&x, &residual, &gamma, &beta].iter().all(|tensor| is_f32(tensor)) {
            return forward(x, residual, gamma, beta, epsilon, dropout, false).0;
        }
        composed::<Self>(x, residual, gamma, beta, epsilon, dropout).0
    }

    fn layer_norm_forward(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> (FloatTensor<Self>, Saved<Self>) {
        if [&x, &residual, &gamma, &beta].iter().all(|tensor| is_f32(tensor)) {
            return forward(x, residual, gamma, beta, epsilon, dropout, true);
        }
        let (output, sum) = composed::<Self>(x, residual, gamma.clone(), beta, epsilon, dropout);
        (output, Saved { sum, moments: None, gamma, epsilon, dropout })
    }

    fn layer_norm_backward(saved: Saved<Self>, grad: FloatTensor<Self>) -> [FloatTensor<Self>; 4] {
        let dropout = saved.dropout;
        match saved.moments.clone() {
            Some(moments) => backward(saved, moments, grad),
            None => with_dropped::<Self>(composed_backward::<Self>(saved, grad), dropout),
        }
    }
}

/// Rows that one cube of the backward pass works on, one after the other.
const ROWS: usize = 16;

/// Normalizes rows; `saves` says whether a backward pass follows.
fn forward(
    x: CubeTensor,
    residual: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    epsilon: f64,
    dropout: Dropout,
    saves: bool,
) -> (CubeTensor, Saved<CubeBackend>) {
    let [x, residual, gamma, beta] = [x, residual, gamma, beta].map(into_contiguous);
    let [n_rows, width] = rows_and_width(&x);
    let (client, n_units) = (x.client.clone(), units_per_row(&x, width));
    let output = new_tensor(&x, x.shape());
    // Without a backward pass, buffers of one element stand in.
    let sum = if saves { new_tensor(&x, x.shape()) } else { new_tensor(&x, [1]) };
    let moments = new_tensor(&x, if saves { Shape::new([n_rows, 2]) } else { Shape::new([1]) });
    normalize_rows::launch(
        &client,
        cube_per_row(n_rows),
        CubeDim::new_1d(n_units as u32),
        x.into_buffer_arg(),
        residual.into_buffer_arg(),
        gamma.clone().into_buffer_arg(),
        beta.into_buffer_arg(),
        output.clone().into_buffer_arg(),
        sum.clone().into_buffer_arg(),
        moments.clone().into_buffer_arg(),
        n_rows as u32,
        epsilon as f32,
        dropout.into(),
        RowShape { width, n_units },
        !dropout.is_off(),
        saves,
    );
    (output, Saved { sum, moments: Some(moments), gamma, epsilon, dropout })
}

fn backward(saved: Saved<CubeBackend>, moments: CubeTensor, grad: CubeTensor) -> [CubeTensor; 4] {
    let Saved { sum, gamma, dropout, .. } = saved;
    let grad = into_contiguous(grad);
    let [n_rows, width] = rows_and_width(&sum);
    let (client, n_units) = (sum.client.clone(), units_per_row(&sum, width));
    let n_blocks = n_rows.div_ceil(ROWS);
    let grad_sum = new_tensor(&sum, sum.shape());
    let drops = !dropout.is_off();
    // Without dropout the gradient of x is that of the sum, and a buffer of one element stands in.
    let grad_x = if drops { new_tensor(&sum, sum.shape()) } else { new_tensor(&sum, [1]) };
    let partials = new_tensor(&sum, Shape::new([n_blocks, 2 * width]));
    normalize_rows_grad::launch(
        &client,
        cube_per_row(n_blocks),
        CubeDim::new_1d(n_units as u32),
        sum.into_buffer_arg(),
        moments.into_buffer_arg(),
        gamma.into_buffer_arg(),
        grad.into_buffer_arg(),
        grad_x.clone().into_buffer_arg(),
        grad_sum.clone().into_buffer_arg(),
        partials.clone().into_buffer_arg(),
        n_rows as u32,
        dropout.into(),
        RowShape { width, n_units },
        drops,
    );
    let [grad_gamma, grad_beta] = std::array::from_fn(|_| new_tensor(&grad_sum, [width]));
    let cube_dim = CubeDim::new(&client, width);
    add_partials::launch(
        &client,
        calculate_cube_count_elemwise(&client, width, cube_dim),
        cube_dim,
        partials.into_buffer_arg(),
        grad_gamma.clone().into_buffer_arg(),
        grad_beta.clone().into_buffer_arg(),
    );
    let grad_x = if drops { grad_x } else { grad_sum.clone() };
    [grad_x, grad_sum, grad_gamma, grad_beta]
}

/// Width of a row and number of units that work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RowShape {
    width: usize,
    n_units: usize,
}

impl RowShape {
    /// Columns that each unit works on.
    fn n_columns(self) -> usize {
        self.width.div_ceil(self.n_units)
    }
}

#[cube(launch)]
fn normalize_rows(
    x: &[f32],
    residual: &[f32],
    gamma: &[f32],
    beta: &[f32],
    output: &mut [f32],
    sums: &mut [f32],
    moments: &mut [f32],
    n_rows: u32,
    epsilon: f32,
    mask: Mask,
    #[comptime] shape: RowShape,
    #[comptime] drops: bool,
    #[comptime] saves: bool,
) {
    let row = CUBE_POS;
    if row >= n_rows as usize {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let (width, n_units) = comptime!((shape.width, shape.n_units));
    let n_columns = comptime!(shape.n_columns());
    let start = row * width;
    let key = block_key(&mask, row as u32);
    let mut partials = new_partials::<Const<1>>(n_units);
    let mut values = Array::<f32>::new(n_columns);

    let mut total = 0.0f32;
    #[unroll]
    for index in 0..n_columns {
        let column = unit + index * n_units;
        values[index] = 0.0f32;
        if column < width {
            let mut value = x[start + column];
            if drops {
                value *= factor(&mask, &key, column as u32);
            }
            value += residual[start + column];
            if saves {
                sums[start + column] = value;
            }
            values[index] = value;
            total += value;
        }
    }
    let scale = comptime!(1.0 / width as f32);
    let mean = sum_number(total, &mut partials, n_units) * scale;

    let mut squares = 0.0f32;
    #[unroll]
    for index in 0..n_columns {
        if unit + index * n_units < width {
            let centered = values[index] - mean;
            squares += centered * centered;
        }
    }
    let variance = sum_number(squares, &mut partials, n_units) * scale;
    let reciprocal = 1.0 / f32::sqrt(variance + epsilon);
    #[unroll]
    for index in 0..n_columns {
        let column = unit + index * n_units;
        if column < width {
            output[start + column] =
                (values[index] - mean) * reciprocal * gamma[column] + beta[column];
        }
    }
    if saves && unit == 0 {
        moments[2 * row] = mean;
        moments[2 * row + 1] = reciprocal;
    }
}

#[cube(launch)]
fn normalize_rows_grad(
    sums: &[f32],
    moments: &[f32],
    gamma: &[f32],
    grad: &[f32],
    grad_x: &mut [f32],
    grad_sum: &mut [f32],
    partials: &mut [f32],
    n_rows: u32,
    mask: Mask,
    #[comptime] shape: RowShape,
    #[comptime] drops: bool,
) {
    let block = CUBE_POS;
    let first = block * ROWS;
    if first >= n_rows as usize {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let (width, n_units) = comptime!((shape.width, shape.n_units));
    let n_columns = comptime!(shape.n_columns());
    let mut shared = new_partials::<Const<2>>(n_units);
    let mut normalized = Array::<f32>::new(n_columns);
    let mut scaled = Array::<f32>::new(n_columns);
    let mut grad_gamma = Array::<f32>::new(n_columns);
    let mut grad_beta = Array::<f32>::new(n_columns);
    #[unroll]
    for index in 0..n_columns {
        grad_gamma[index] = 0.0f32;
        grad_beta[index] = 0.0f32;
    }

    let end = min(first + ROWS, n_rows as usize);
    for row in first..end {
        let start = row * width;
        let (mean, reciprocal) = (moments[2 * row], moments[2 * row + 1]);
        let mut total = Vector::<f32, Const<2>>::new(0.0f32);
        #[unroll]
        for index in 0..n_columns {
            let column = unit + index * n_units;
            normalized[index] = 0.0f32;
            scaled[index] = 0.0f32;
            if column < width {
                let slope = grad[start + column];
                let value = (sums[start + column] - mean) * reciprocal;
                grad_gamma[index] += slope * value;
                grad_beta[index] += slope;
                normalized[index] = value;
                scaled[index] = slope * gamma[column];
                total.insert(0usize, total.extract(0usize) + scaled[index]);
                total.insert(1usize, total.extract(1usize) + scaled[index] * value);
            }
        }
        let total = sum::<Const<2>>(total, &mut shared, n_units);
        let scale = comptime!(1.0 / width as f32);
        let (mean_grad, projection) =
            (total.extract(0usize) * scale, total.extract(1usize) * scale);
        let key = block_key(&mask, row as u32);
        #[unroll]
        for index in 0..n_columns {
            let column = unit + index * n_units;
            if column < width {
                let slope =
                    (scaled[index] - mean_grad - normalized[index] * projection) * reciprocal;
                grad_sum[start + column] = slope;
                if drops {
                    grad_x[start + column] = slope * factor(&mask, &key, column as u32);
                }
            }
        }
    }
    #[unroll]
    for index in 0..n_columns {
        let column = unit + index * n_units;
        if column < width {
            partials[block * (2 * width) + column] = grad_gamma[index];
            partials[block * (2 * width) + width + column] = grad_beta[index];
        }
    }
}

/// Adds the partial sums of all blocks, `[blocks, 2, width]`.
#[cube(launch)]
fn add_partials(partials: &[f32], grad_gamma: &mut [f32], grad_beta: &mut [f32]) {
    let (column, width) = (ABSOLUTE_POS, grad_gamma.len());
    if column >= width {
        terminate!();
    }
    let mut gamma = 0.0f32;
    let mut beta = 0.0f32;
    let mut at = column;
    while at < partials.len() {
        gamma += partials[at];
        beta += partials[at + width];
        at += 2 * width;
    }
    grad_gamma[column] = gamma;
    grad_beta[column] = beta;
}
