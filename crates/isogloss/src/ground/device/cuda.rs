//! NVIDIA GPUs through CUDA.
//!
//! cubecl-cuda panics where a driver call fails, so every call here is guarded.

use burn::tensor::{Device, DeviceType, Tensor};

use super::choice::DeviceChoice;
use super::error::DeviceError;
use super::guard::guarded;
use super::info::{DeviceInfo, OpenDevice};

/// Number of CUDA devices; 0 without a driver.
pub(super) fn count() -> usize {
    guarded("cuda", || Ok(Device::enumerate(DeviceType::Cuda).len())).unwrap_or(0)
}

/// Lists the CUDA devices that can be opened, with their names.
pub(super) fn list() -> Vec<DeviceInfo> {
    let describe = |index| {
        let name = format!("cuda:{index}");
        guarded(&name, || Ok(describe(&name, &Device::cuda(index)))).ok()
    };
    (0..count()).filter_map(describe).collect()
}

/// Opens the CUDA device with the given index, or the first one.
pub(super) fn open(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    let count = count();
    if count == 0 {
        return Err(DeviceError::NoAdapter { name: choice.name() });
    }
    let index: usize = choice.index().unwrap_or(0);
    let name = format!("cuda:{index}");
    if index >= count {
        let found = (0..count).map(|index| format!("cuda:{index}")).collect::<Vec<_>>();
        return Err(DeviceError::NoSuchAdapter { device: name, found: found.join(", ") });
    }
    guarded(&name, || {
        let device = Device::cuda(index);
        // Compiles and runs a first kernel: NVRTC can be missing although the driver is installed.
        let sum = Tensor::<1>::zeros([4], &device) + 1.0;
        sum.try_into_data().map_err(|error| error.to_string())?;
        Ok(OpenDevice { info: describe(&name, &device).with_kernels(&device), device })
    })
}

fn describe(name: &str, device: &Device) -> DeviceInfo {
    DeviceInfo {
        name: name.to_owned(),
        adapter: device.identity().map(|identity| identity.name),
        driver: None,
        api: "cuda".to_owned(),
        max_buffer_bytes: None,
        is_software: false,
        threads: None,
        kernel_language: None,
        matrix_units: Vec::new(),
    }
}
