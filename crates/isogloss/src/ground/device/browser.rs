//! WebGPU device of a browser.

use std::cell::OnceCell;

use burn::tensor::Device;

use super::error::DeviceError;
use super::info::{DeviceInfo, OpenDevice};

thread_local! {
    /// The open device; the runtime cannot be initialized twice.
    static OPEN: OnceCell<OpenDevice> = const { OnceCell::new() };
}

/// The properties of the open device.
pub(super) fn info_of(device: &Device) -> Option<DeviceInfo> {
    let open = OPEN.with(|open| open.get().cloned());
    open.filter(|open| open.device == *device).map(|open| open.info)
}

pub(super) async fn open() -> Result<OpenDevice, DeviceError> {
    if let Some(open) = OPEN.with(|open| open.get().cloned()) {
        return Ok(open);
    }
    let opened = Device::wgpu_options().init_with_setup_async().await;
    let (device, setup) = opened.map_err(|error| DeviceError::Driver {
        device: "webgpu".to_owned(),
        problem: error.to_string(),
    })?;
    let (info, limits) = (setup.adapter.get_info(), setup.device.limits());
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let info = DeviceInfo {
        name: "webgpu".to_owned(),
        adapter: some(&info.name).or_else(|| some(&info.driver)),
        driver: some(&info.driver_info),
        api: "webgpu".to_owned(),
        max_buffer_bytes: Some(limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)),
        is_software: false,
        threads: None,
        kernel_language: None,
        matrix_units: Vec::new(),
    };
    let open = OpenDevice { info: info.with_kernels(&device), device };
    Ok(OPEN.with(|kept| kept.get_or_init(|| open).clone()))
}
