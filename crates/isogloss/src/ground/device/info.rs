//! An open device and what is known about it.

use burn::tensor::Device;
use serde::Serialize;

/// A device ready for tensors.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// The device, without autodiff.
    pub device: Device,
    /// What is known about it.
    pub info: DeviceInfo,
}

/// What is known about a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// The name that opens it: `flex`, `vulkan:0`.
    pub name: String,
    /// The hardware's name for itself, where there is one besides the CPU.
    pub adapter: Option<String>,
    /// The driver with its version, as it describes itself.
    pub driver: Option<String>,
    /// `cpu`, `vulkan`, `metal`, `dx12` or `cuda`.
    pub api: String,
    /// The most bytes that one tensor can have; `None` where only memory limits it.
    pub max_buffer_bytes: Option<u64>,
    /// Whether a GPU is imitated by the CPU.
    pub is_software: bool,
    /// Threads that tensor operations are spread over, on the CPU.
    pub threads: Option<usize>,
}

/// What is known about the CPU, under the name of one of its backends.
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
