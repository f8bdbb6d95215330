//! Dropout on GPUs: a CubeCL kernel.

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{DropoutKernel, composed, mask_block_len};
use crate::cube::mask::{Mask, block_key, factor};
use crate::cube::{is_f32, new_tensor};
use crate::mask::Dropout;

impl DropoutKernel for CubeBackend {
    fn drop_out(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        if dropout.is_off() || !is_f32(&x) {
            return composed::<Self>(x, dropout);
        }
        multiply_mask(x, dropout)
    }
}

/// Multiplies an `f32` tensor by its scaled dropout mask, drawn on the GPU and equal to the mask on
/// the CPU.
fn multiply_mask(x: CubeTensor, dropout: Dropout) -> CubeTensor {
    let x = into_contiguous(x);
    let shape = x.shape();
    let (n_elements, block_len) = (shape.num_elements(), mask_block_len(&shape).max(1));
    let output = new_tensor(&x, shape);
    let client = x.client.clone();
    let cube_dim = CubeDim::new(&client, n_elements);
    drop_elements::launch(
        &client,
        calculate_cube_count_elemwise(&client, n_elements, cube_dim),
        cube_dim,
        x.into_buffer_arg(),
        output.clone().into_buffer_arg(),
        block_len as u32,
        dropout.into(),
    );
    output
}

#[cube(launch)]
fn drop_elements(x: &[f32], output: &mut [f32], block_len: u32, mask: Mask) {
    if ABSOLUTE_POS < output.len() {
        let position = ABSOLUTE_POS as u32;
        let key = block_key(&mask, position / block_len);
        output[ABSOLUTE_POS] = x[ABSOLUTE_POS] * factor(&mask, &key, position % block_len);
    }
}
