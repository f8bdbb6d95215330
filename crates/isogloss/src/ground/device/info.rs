//! Open devices and their properties.

use std::path::PathBuf;

use burn::tensor::{DType, Device};
use isogloss_kernels::{Precision, set_matmul_precision, tuning_cache};
#[cfg(any(feature = "wgpu", feature = "webgpu", feature = "cuda"))]
use isogloss_kernels::{kernel_language, matrix_units};
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

    /// Refuses a device on which the same run can give other last digits in another process.
    ///
    /// # Errors
    /// [`DeviceError::NotDeterministic`] for a GPU that tunes its kernels.
    pub fn deterministic(self) -> Result<Self, DeviceError> {
        if self.info.tunes_kernels() {
            return Err(DeviceError::NotDeterministic { device: self.info.name });
        }
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
    /// Language that kernels are compiled to, known once the GPU is open; see
    /// [`isogloss_kernels::kernel_language`].
    pub kernel_language: Option<&'static str>,
    /// Types of the operands of the GPU's matrix units, known once it is open; see
    /// [`isogloss_kernels::matrix_units`].
    pub matrix_units: Vec<String>,
}

impl DeviceInfo {
    /// Whether matrix products and sums are tuned: the fastest of several kernels is taken for each
    /// shape, which can be another one where [`DeviceInfo::tuning_cache`] is lost.
    pub fn tunes_kernels(&self) -> bool {
        cfg!(feature = "tuning") && self.api != "cpu"
    }

    /// The file that keeps the fastest kernel for each shape; see
    /// [`isogloss_kernels::tuning_cache`]. `None` for a device that tunes none.
    pub fn tuning_cache(&self) -> Option<PathBuf> {
        tuning_cache().filter(|_| self.tunes_kernels())
    }
}

#[cfg(any(feature = "wgpu", feature = "webgpu", feature = "cuda"))]
impl DeviceInfo {
    /// The properties of an open GPU: with the language of its kernels and its matrix units.
    pub(super) fn with_kernels(self, device: &Device) -> Self {
        Self {
            kernel_language: kernel_language(device),
            matrix_units: matrix_units(device),
            ..self
        }
    }
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
        kernel_language: None,
        matrix_units: Vec::new(),
    }
}
