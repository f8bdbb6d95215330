//! Launches over many tensors at once (multi-tensor kernels): each cube works on one block of one of
//! them.

use burn_cubecl::tensor::CubeTensor;

/// Elements of a block.
pub(crate) const BLOCK: usize = 16 * 1024;

/// Units that work on a block, if the device allows as many.
pub(crate) const UNITS: usize = 128;

/// Most tensors of one launch; more make the kernels long to compile.
const MAX_TENSORS: usize = 8;

/// Number of blocks of a tensor.
pub(crate) fn n_blocks(n_elements: usize) -> usize {
    n_elements.div_ceil(BLOCK)
}

/// Number of tensors of one launch that binds `buffers` for each tensor and `others` for all.
pub(crate) fn tensors_per_launch(x: &CubeTensor, buffers: usize, others: usize) -> usize {
    let bindings = x.client.properties().hardware.max_bindings as usize;
    (bindings.saturating_sub(others) / buffers).clamp(1, MAX_TENSORS)
}
