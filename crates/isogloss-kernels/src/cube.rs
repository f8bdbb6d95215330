//! Building blocks of the CubeCL kernels for GPUs: new tensors, launch sizes, reductions
//! over a cube and dropout masks. The kernels are for `f32`; other types use the composition of Burn's operations.

pub(crate) mod blocks;
pub(crate) mod mask;
pub(crate) mod reduce;

use burn::backend::TensorMetadata as _;
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Largest number of cubes in one dimension of a launch that WebGPU guarantees.
const MAX_CUBES: u32 = 65_535;

/// Score that stands for none: below all others, and its exponential is zero.
pub(crate) const NO_SCORE: f32 = -3e38;

pub(crate) fn is_f32(x: &CubeTensor) -> bool {
    x.dtype == DType::F32
}

/// A new contiguous `f32` tensor on the device of `like`, not initialized.
pub(crate) fn new_tensor(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), DType::F32)
}

/// Launch size of one cube for each of `n` rows; the last cubes may have none.
pub(crate) fn cube_per_row(n: usize) -> CubeCount {
    let n = n as u32;
    let n_planes = n.div_ceil(MAX_CUBES).max(1);
    CubeCount::Static(n.div_ceil(n_planes), n_planes, 1)
}

/// Number of units that work on one row of `width` elements: a power of two that the device allows.
pub(crate) fn units_per_row(x: &CubeTensor, width: usize) -> usize {
    let allowed = x.client.properties().hardware.max_units_per_cube as usize;
    width.next_power_of_two().clamp(32, 128).min(1 << allowed.max(1).ilog2())
}

/// Number of rows and width of the last dimension: `[..., width]`.
pub(crate) fn rows_and_width(x: &CubeTensor) -> [usize; 2] {
    let shape = x.shape();
    let width = shape.as_slice().last().copied().unwrap_or(1);
    [shape.num_elements() / width.max(1), width]
}
