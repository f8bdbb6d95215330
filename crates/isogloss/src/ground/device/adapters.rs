//! Graphics adapters: listed by wgpu, opened by Burn.
//!
//! Burn names an adapter by its type and its index among those of that type, so the adapters are
//! listed first, in wgpu's order, and counted as cubecl-wgpu counts them.
//! Left out are adapters that `DeviceKind` cannot name: those of type `Other`, as OpenGL calls its
//! GPUs, and software adapters after the first.

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

/// What must outlive a call.
struct Kept {
    /// One per graphics API, never dropped: a device may live in it.
    instances: Vec<(Backend, Instance)>,
    /// Burn refuses to initialize a device twice.
    open: Vec<(Selector, OpenDevice)>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { instances: Vec::new(), open: Vec::new() });

/// What Burn knows an adapter by.
type Selector = (WgpuBackend, DeviceKind);

struct Adapter {
    selector: Selector,
    info: AdapterInfo,
    limits: Limits,
}

/// The adapters behind a name, as far as they tell without being opened.
pub(super) fn list(choice: DeviceChoice) -> Vec<DeviceInfo> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let adapters = kept.adapters(choice);
    adapters.iter().enumerate().map(|(index, adapter)| adapter.describe(choice, index)).collect()
}

/// Opens the adapter of that number, or the best.
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
    if let Some((_, OpenDevice { device, info })) = known {
        // Two names can lead to one adapter.
        let info = DeviceInfo { name, ..info.clone() };
        return Ok(OpenDevice { device: device.clone(), info });
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
    let open = OpenDevice { device, info: opened.describe(choice, index) };
    kept.open.push((opened.selector, open.clone()));
    Ok(open)
}

impl Kept {
    /// Those of the first API with a GPU, or failing that of the first with anything.
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

/// Where to look, best first, with what Burn calls it.
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

/// The index of the adapter to prefer.
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
            // What cubecl-wgpu takes for its largest page.
            max_buffer_bytes: Some(
                limits.max_buffer_size.min(limits.max_storage_buffer_binding_size),
            ),
            is_software: info.device_type == DeviceType::Cpu,
            threads: None,
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
