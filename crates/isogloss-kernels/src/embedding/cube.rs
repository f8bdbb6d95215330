//! Gradient of an embedding lookup on GPUs: one CubeCL kernel that adds the gradients of all places
//! of a row in their order, so that the sum is the same in every run.

use burn::backend::TensorMetadata as _;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, FloatDType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;

use super::{EmbeddingKernel, composed};
use crate::cube::reduce::{largest, new_partials};
use crate::cube::{cube_per_row, is_f32};

/// Columns that a cube works on.
const COLUMNS: usize = 32;

/// Units that share a column, each with some of the places.
const SHARES: usize = 4;

impl EmbeddingKernel for CubeBackend {
    fn embedding_grad(
        ids: IntTensor<Self>,
        grad: FloatTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        let (n_places, client) = (ids.shape().num_elements(), grad.client.clone());
        let n_units = client.properties().hardware.max_units_per_cube as usize;
        if !is_f32(&grad) || ids.dtype != DType::I32 || n_units < COLUMNS * SHARES || n_places == 0
        {
            return composed::<Self>(ids, grad, n_rows);
        }
        let width = grad.shape().num_elements() / n_places;
        let table = Self::float_zeros(Shape::new([n_rows, width]), &grad.device, FloatDType::F32);
        let n_tiles = width.div_ceil(COLUMNS);
        add_rows::launch(
            &client,
            cube_per_row(n_places * n_tiles),
            CubeDim::new_1d((COLUMNS * SHARES) as u32),
            into_contiguous(ids).into_buffer_arg(),
            into_contiguous(grad).into_buffer_arg(),
            table.clone().into_buffer_arg(),
            width as u32,
            n_tiles as u32,
        );
        table
    }
}

/// Writes a tile of columns of one row: the cube of the row's first place adds all of them, those
/// of later places do nothing.
#[cube(launch)]
fn add_rows(ids: &[i32], grad: &[f32], table: &mut [f32], width: u32, n_tiles: u32) {
    let place = CUBE_POS / n_tiles as usize;
    if place >= ids.len() {
        terminate!();
    }
    let (unit, width) = (UNIT_POS as usize, width as usize);
    let n_units = comptime!(COLUMNS * SHARES);
    let id = ids[place];
    let mut partials = new_partials::<Const<1>>(n_units);
    let mut is_later = 0.0f32;
    let mut other = unit;
    while other < place {
        if ids[other] == id {
            is_later = 1.0f32;
        }
        other += n_units;
    }
    let is_later = largest(is_later, &mut partials, n_units);

    let column = CUBE_POS % n_tiles as usize * COLUMNS + unit % COLUMNS;
    let writes = is_later == 0.0f32 && column < width;
    let mut total = 0.0f32;
    if writes {
        let mut other = place + unit / COLUMNS;
        while other < ids.len() {
            if ids[other] == id {
                total += grad[other * width + column];
            }
            other += SHARES;
        }
    }
    sync_cube();
    partials[unit] = Vector::new(total);
    sync_cube();
    if writes && unit < COLUMNS {
        let mut total = 0.0f32;
        #[unroll]
        for share in 0..SHARES {
            total += partials[unit + share * COLUMNS].extract(0usize);
        }
        table[id as usize * width + column] = total;
    }
}
