//! Dropout on GPUs: a CubeCL kernel.

use burn::backend::TensorMetadata as _;
use burn::backend::ops::IntTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

use super::{Dropout, DropoutKernel, composed, mask_block_len};

impl DropoutKernel for CubeBackend {
    fn drop_out(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        if dropout.is_off() || x.dtype != DType::F32 {
            return composed::<Self>(x, dropout);
        }
        multiply_mask(x, dropout)
    }
}

/// Multiplies an `f32` tensor by its scaled dropout mask, drawn on the GPU and equal to the mask on
/// the CPU.
///
/// Only the hash keys of the mask blocks are copied from the host to the GPU.
fn multiply_mask(x: CubeTensor, dropout: Dropout) -> CubeTensor {
    let x = into_contiguous(x);
    let shape = x.shape();
    let (n_elements, block_len) = (shape.num_elements(), mask_block_len(&shape).max(1));
    let keys: Vec<u32> = dropout.keys(n_elements, block_len).flat_map(<[u32; 2]>::from).collect();
    let n_keys = keys.len();
    let keys = CubeBackend::int_from_data(TensorData::new(keys, [n_keys]), &x.device);
    let (client, device) = (x.client.clone(), x.device.clone());
    let output = empty_device_contiguous_dtype(client.clone(), device, shape, DType::F32);
    let cube_dim = CubeDim::new(&client, n_elements);
    drop_elements::launch(
        &client,
        calculate_cube_count_elemwise(&client, n_elements, cube_dim),
        cube_dim,
        x.into_buffer_arg(),
        keys.into_buffer_arg(),
        output.clone().into_buffer_arg(),
        block_len as u32,
        dropout.threshold(),
        dropout.scale(),
    );
    output
}

#[cube(launch)]
fn drop_elements(
    x: &[f32],
    keys: &[u32],
    output: &mut [f32],
    block_len: u32,
    threshold: u32,
    scale: f32,
) {
    if ABSOLUTE_POS < output.len() {
        let position = ABSOLUTE_POS as u32;
        let block = position / block_len;
        let hash =
            hash(keys[2 * block as usize], keys[2 * block as usize + 1], position % block_len);
        let factor = select(hash >= threshold, scale, 0.0f32);
        output[ABSOLUTE_POS] = x[ABSOLUTE_POS] * factor;
    }
}

/// Hash function of the dropout mask, bit for bit the same as on the CPU.
#[cube]
fn hash(key_0: u32, key_1: u32, counter: u32) -> u32 {
    let x = counter + key_0;
    let x = (x ^ (x >> 16)) * 0x7feb_352d;
    let x = (x ^ (x >> 15) ^ key_1) * 0x846c_a68b;
    x ^ (x >> 16)
}
