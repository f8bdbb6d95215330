//! Numbers between the host and a device.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Labels on a device.
pub(crate) fn integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The numbers of a tensor, row by row.
pub(crate) fn host_values(tensor: Tensor<2>) -> Vec<f32> {
    let values = tensor.into_data().convert::<f32>().try_into_vec();
    values.expect("the numbers were just converted to this type")
}
