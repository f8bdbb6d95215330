//! Open devices and their properties.

use burn::tensor::{DType, Device};
use isogloss_kernels::{Precision, set_matmul_precision};
use serde::Serialize;

use super::error::DeviceError;

/// An open device, ready for tensors, with its properties.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// The device, without autodiff.
    pub device: Device,
    /// Its properties.
    pub info: DeviceInfo,
}

impl OpenDevice {
    /// Sets the precision of matrix products in this process, as long as it computes on this
    /// device; see [`Precision`]. Flex rounds the operands and computes in `f32`.
    ///
    /// # Errors
    /// [`DeviceError::NoPrecision`] if the device has no arithmetic in that precision.
    pub fn with_precision(self, precision: Precision) -> Result<Self, DeviceError> {
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
            Precision::Bf16 => DType::BF16,
        };
        if !self.device.supports_dtype(dtype) {
            let device = self.info.name;
            return Err(DeviceError::NoPrecision { device, precision });
        }
        set_matmul_precision(precision);
        Ok(self)
    }
}

/// Device properties: name, hardware, driver, graphics API and limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// The name that opens it: `flex`, `vulkan:0`.
    pub name: String,
    /// The name that the hardware reports; `None` for the CPU.
    pub adapter: Option<String>,
    /// The driver and its version, as the driver reports them.
    pub driver: Option<String>,
    /// `cpu`, `vulkan`, `metal`, `dx12` or `cuda`.
    pub api: String,
    /// The most bytes that one tensor can have; `None` where only memory limits it.
    pub max_buffer_bytes: Option<u64>,
    /// Whether the GPU is emulated by the CPU (software rendering).
    pub is_software: bool,
    /// Number of threads for tensor operations, on the CPU.
    pub threads: Option<usize>,
}

/// The device properties of the CPU, under the name of one of its backends.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn cpu_info(name: &str) -> DeviceInfo {
    DeviceInfo {
        name: name.to_owned(),
        adapter: None,
        driver: None,
        api: "cpu".to_owned(),
        max_buffer_bytes: None,
        is_software: false,
        threads: Some(rayon::current_num_threads()),
    }
}
