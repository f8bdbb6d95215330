//! Building blocks of the fused CPU kernels: SIMD functions, matrix products and contiguous
//! tensors. The kernels are for `f32`; other types use the composition of Burn's operations.
//!
//! Work is split into blocks of fixed size, so that results do not depend on the number of threads.

pub(crate) mod gemm;
pub(crate) mod matrix;
#[cfg(any(test, target_arch = "wasm32"))]
mod row_products;
pub(crate) mod simd;

use burn::tensor::{DType, Shape, TensorData};
use burn_flex::FlexTensor;

/// Elements that one parallel task works on: 64 KiB, about the size of an L1 cache.
pub(crate) const BLOCK: usize = 16 * 1024;

/// A contiguous `f32` tensor.
pub(crate) struct Dense(pub(crate) FlexTensor);

impl Dense {
    pub(crate) fn new(tensor: FlexTensor) -> Self {
        // This call consumes the original handle, so a tensor with one owner can be changed in
        // place.
        Self(tensor.to_contiguous())
    }

    pub(crate) fn values(&self) -> &[f32] {
        self.0.storage()
    }

    /// Mutable access to the elements; copies them first if they have another owner.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }
}

pub(crate) fn from_values(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

pub(crate) fn is_f32(x: &FlexTensor) -> bool {
    x.dtype() == DType::F32
}
