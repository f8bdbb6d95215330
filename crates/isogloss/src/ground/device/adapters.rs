//! Graphics adapters: listed by wgpu, opened by Burn.
//!
//! Burn identifies an adapter by its type and its index among those of that type, so the adapters
//! are listed first, in wgpu's order, and counted as cubecl-wgpu counts them. Adapters that
//! `DeviceKind` cannot identify are left out: those of type `Other`, as OpenGL reports its GPUs,
//! and software adapters after the first.

use std::sync::{Mutex, PoisonError};

use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::wgpu::wgpu::{
    AdapterInfo, Backend, DeviceType, Instance, InstanceDescriptor, Limits,
};
use burn::tensor::{Device, DeviceKind, read_sync};

use super::choice::DeviceChoice;
use super::error::DeviceError;
use super::guard::guarded;
use super::info::{DeviceInfo, OpenDevice};

/// Process-wide state: wgpu instances and open devices.
struct Kept {
    /// One instance per graphics API, never dropped: an open device may belong to it.
    instances: Vec<(Backend, Instance)>,
    /// The open devices: Burn refuses to initialize a device twice.
    open: Vec<(Selector, Initialized)>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { instances: Vec::new(), open: Vec::new() });

/// Burn's identifier of an adapter.
type Selector = (WgpuBackend, DeviceKind);

struct Adapter {
    selector: Selector,
    info: AdapterInfo,
    limits: Limits,
}

/// Lists the adapters of a backend, with the properties that are known before they are opened.
pub(super) fn list(choice: DeviceChoice) -> Vec<DeviceInfo> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let adapters = kept.adapters(choice);
    adapters.iter().enumerate().map(|(index, adapter)| adapter.describe(choice, index)).collect()
}

/// Opens the adapter with the given index, or the best one.
pub(super) fn open(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let adapters = kept.adapters(choice);
    let Some(best) = best(&adapters) else {
        return Err(DeviceError::NoAdapter { name: choice.name() });
    };
    let index = choice.index().unwrap_or(best);
    let Some(adapter) = adapters.get(index) else {
        let found = adapters.iter().enumerate().map(|(index, adapter)| {
            format!("{}:{index} ({})", choice.name(), adapter.info.name.trim())
        });
        let found = found.collect::<Vec<_>>().join(", ");
        return Err(DeviceError::NoSuchAdapter { device: choice.to_string(), found });
    };
    let name = format!("{}:{index}", choice.name());

    let known = kept.open.iter().find(|(selector, _)| *selector == adapter.selector);
    if let Some((_, open)) = known {
        // Two names can stand for the same adapter.
        return open.named(&name);
    }

    let (backend, kind) = adapter.selector.clone();
    let options = Device::wgpu_options().device_kind(kind).graphics_api(backend);
    let (device, setup) =
        guarded(&name, || options.init_with_setup().map_err(|error| error.to_string()))?;
    let opened = Adapter {
        selector: adapter.selector.clone(),
        info: setup.adapter.get_info(),
        limits: setup.device.limits(),
    };
    let info = guarded(&name, || Ok(opened.describe(choice, index).with_kernels(&device)))?;
    let problem = spirv_problem(&info, &setup.adapter);
    let open = Initialized { device: OpenDevice { device, info }, problem };
    let result = open.named(&name);
    kept.open.push((opened.selector, open));
    result
}

/// The properties of a device that is open.
pub(super) fn info_of(device: &Device) -> Option<DeviceInfo> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let open = kept.open.iter().map(|(_, open)| &open.device);
    open.into_iter().find(|open| open.device == *device).map(|open| open.info.clone())
}

/// A device that Burn has initialized, and why it cannot be used, if it cannot.
struct Initialized {
    device: OpenDevice,
    problem: Option<String>,
}

impl Initialized {
    /// The device under one of its names.
    fn named(&self, name: &str) -> Result<OpenDevice, DeviceError> {
        match self.problem.clone() {
            Some(problem) => Err(DeviceError::Driver { device: name.to_owned(), problem }),
            None => {
                let OpenDevice { device, info } = self.device.clone();
                Ok(OpenDevice { device, info: DeviceInfo { name: name.to_owned(), ..info } })
            }
        }
    }
}

/// Why kernels in SPIR-V would crash the driver of an open device, if they would.
fn spirv_problem(info: &DeviceInfo, adapter: &burn::tensor::wgpu::wgpu::Adapter) -> Option<String> {
    #[cfg(all(feature = "spirv", not(target_vendor = "apple")))]
    let missing = isogloss_kernels::missing_spirv_extension(adapter);
    #[cfg(not(all(feature = "spirv", not(target_vendor = "apple"))))]
    let missing: Option<&str> = {
        _ = adapter;
        None
    };
    let extension = missing.filter(|_| info.kernel_language == Some("spirv"))?;
    Some(format!(
        "its driver has no {extension}, without which kernels in SPIR-V crash it; a build with \
         `--features wgpu` and without `vulkan` has kernels in WGSL"
    ))
}

impl Kept {
    /// The adapters of the first graphics API with a GPU; without any GPU, of the first API with an
    /// adapter.
    fn adapters(&mut self, choice: DeviceChoice) -> Vec<Adapter> {
        let mut software = Vec::new();
        for api in apis(choice) {
            let adapters = self.adapters_of(api);
            if adapters.iter().any(|adapter| adapter.info.device_type != DeviceType::Cpu) {
                return adapters;
            }
            if software.is_empty() {
                software = adapters;
            }
        }
        software
    }

    fn adapters_of(&mut self, (api, backend): (Backend, WgpuBackend)) -> Vec<Adapter> {
        let known = self.instances.iter().position(|(known, _)| *known == api);
        let index = known.unwrap_or_else(|| {
            let descriptor = InstanceDescriptor {
                backends: api.into(),
                ..InstanceDescriptor::new_without_display_handle()
            };
            self.instances.push((api, Instance::new(descriptor)));
            self.instances.len() - 1
        });
        let found = read_sync(self.instances[index].1.enumerate_adapters(api.into()));

        let (mut discrete, mut integrated, mut virtual_, mut software) = (0, 0, 0, 0);
        let mut adapters = Vec::new();
        for adapter in found {
            let info = adapter.get_info();
            let next = |count: &mut usize| {
                *count += 1;
                *count - 1
            };
            let kind = match info.device_type {
                DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(next(&mut discrete)),
                DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(next(&mut integrated)),
                DeviceType::VirtualGpu => DeviceKind::VirtualGpu(next(&mut virtual_)),
                DeviceType::Cpu if next(&mut software) == 0 => DeviceKind::Cpu,
                DeviceType::Cpu | DeviceType::Other => continue,
            };
            adapters.push(Adapter { selector: (backend, kind), info, limits: adapter.limits() });
        }
        adapters
    }
}

/// The graphics APIs of a backend in the order of preference, with Burn's names for them.
fn apis(choice: DeviceChoice) -> Vec<(Backend, WgpuBackend)> {
    let vulkan = (Backend::Vulkan, WgpuBackend::Vulkan);
    let dx12 = (Backend::Dx12, WgpuBackend::Dx12);
    match choice {
        DeviceChoice::Vulkan(_) => vec![vulkan],
        DeviceChoice::Dx12(_) => vec![dx12],
        DeviceChoice::Metal(_) => vec![(Backend::Metal, WgpuBackend::Metal)],
        // `WgpuBackend::Metal` would insist on kernels in Metal's own language; on macOS `Auto`
        // tries Metal alone and can do with WGSL.
        _ if cfg!(target_os = "macos") => vec![(Backend::Metal, WgpuBackend::Auto)],
        _ => vec![vulkan, dx12],
    }
}

/// The index of the preferred adapter: discrete before integrated before virtual before software.
fn best(adapters: &[Adapter]) -> Option<usize> {
    let rank = |index: &usize| match adapters[*index].selector.1 {
        DeviceKind::DiscreteGpu(_) => 0,
        DeviceKind::IntegratedGpu(_) => 1,
        DeviceKind::VirtualGpu(_) => 2,
        _ => 3,
    };
    (0..adapters.len()).min_by_key(rank)
}

impl Adapter {
    fn describe(&self, choice: DeviceChoice, index: usize) -> DeviceInfo {
        let Self { info, limits, .. } = self;
        let driver = format!("{} {}", info.driver, info.driver_info);
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        DeviceInfo {
            name: format!("{}:{index}", choice.name()),
            adapter: some(&info.name),
            driver: some(&driver),
            api: info.backend.to_str().to_owned(),
            // The limit that cubecl-wgpu uses as its largest memory page.
            max_buffer_bytes: Some(
                limits.max_buffer_size.min(limits.max_storage_buffer_binding_size),
            ),
            is_software: info.device_type == DeviceType::Cpu,
            threads: None,
            kernel_language: None,
            matrix_units: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_driver_is_an_error() {
        let error = guarded::<()>("vulkan:0", || panic!("device {}", "lost")).unwrap_err();
        assert_eq!(error.to_string(), "device vulkan:0 cannot be opened: device lost");
    }
}
