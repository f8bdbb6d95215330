//! Vulkan drivers that CubeCL's SPIR-V crashes.

use std::ffi::CStr;

use burn::tensor::wgpu::wgpu;
use wgpu::hal::api::Vulkan;

/// Extension without which cubecl-spirv 0.11.3 declares shared memory as a pointer to a pointer
/// (`lower_shared_implicit`); Mesa's compiler crashes on that.
const SHARED_MEMORY_LAYOUT: &CStr = c"VK_KHR_workgroup_memory_explicit_layout";

/// The Vulkan extension that kernels in SPIR-V need and a driver does not have; without it they
/// crash the driver.
pub fn missing_spirv_extension(adapter: &wgpu::Adapter) -> Option<&'static str> {
    #[expect(unsafe_code, reason = "the driver's handle is read and not destroyed")]
    let vulkan = unsafe { adapter.as_hal::<Vulkan>() }?;
    let has_it = vulkan.physical_device_capabilities().supports_extension(SHARED_MEMORY_LAYOUT);
    (!has_it).then(|| SHARED_MEMORY_LAYOUT.to_str().unwrap_or_default())
}
