//! What the fused CPU kernels are made of. They are for `f32`; other types take the composition.
//!
//! Work is cut into blocks of fixed size, so that results do not depend on the number of threads.

pub(crate) mod gemm;
pub(crate) mod matrix;
#[cfg(any(test, target_arch = "wasm32"))]
mod row_products;
pub(crate) mod simd;

use burn::tensor::{DType, Shape, TensorData};
use burn_flex::FlexTensor;

/// Elements that one task works on: 64 KiB, about a first-level cache.
pub(crate) const BLOCK: usize = 16 * 1024;

/// The elements of a dense `f32` tensor.
pub(crate) struct Dense(pub(crate) FlexTensor);

impl Dense {
    pub(crate) fn new(tensor: FlexTensor) -> Self {
        // The original handle goes with this call, so that an only owner stays the only one.
        Self(tensor.to_contiguous())
    }

    pub(crate) fn values(&self) -> &[f32] {
        self.0.storage()
    }

    /// Copies first if the elements have another owner.
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
