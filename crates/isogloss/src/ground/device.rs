//! Device selection: opens a [`Device`](burn::tensor::Device) by a name such as `vulkan:1`.
//!
//! [`DeviceChoice`] is the parsed name, [`open`] opens its device, [`list`] lists the devices that
//! are available. Only this module depends on which backends are compiled in. Devices are opened
//! without autodiff; the trainer adds it.

use std::sync::{Mutex, PoisonError};

use burn::tensor::kind::Basic;
use burn::tensor::{Device, Element, Tensor};

#[cfg(feature = "wgpu")]
mod adapters;
#[cfg(feature = "webgpu")]
mod browser;
mod choice;
mod compiled;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod guard;
mod info;

use choice::CHOICES;
pub use choice::DeviceChoice;
pub use compiled::compiled;
pub use error::DeviceError;
pub(crate) use guard::caught;
#[cfg(any(feature = "flex", feature = "ndarray"))]
use info::cpu_info;
pub use info::{DeviceInfo, OpenDevice};
pub use isogloss_kernels::Precision;

/// Lock held while devices are listed or opened: the Vulkan loader crashes when several threads
/// create and drop instances at once (a note in cubecl-wgpu's `runtime.rs`).
static GATE: Mutex<()> = Mutex::new(());

/// Opens a device; one that is already open in this process is returned again.
///
/// # Errors
/// [`DeviceError`] when the device is not compiled in or not present, or its driver fails.
pub fn open(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    open_with(choice, &mut |_| {})
}

/// [`open`] that calls `skipped` for each GPU that `auto` does not take because it cannot be opened,
/// with the reason.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    choice: DeviceChoice,
    skipped: &mut dyn FnMut(&DeviceError),
) -> Result<OpenDevice, DeviceError> {
    let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    match choice {
        DeviceChoice::Auto => open_best(skipped),
        choice => open_named(choice),
    }
}

/// Opens the WebGPU device of a browser; one that is already open is returned again.
///
/// # Errors
/// [`DeviceError::NotCompiled`] in a build without WebGPU, [`DeviceError::Driver`] when the browser
/// provides no device.
pub async fn open_webgpu() -> Result<OpenDevice, DeviceError> {
    #[cfg(feature = "webgpu")]
    return browser::open().await;
    #[cfg(not(feature = "webgpu"))]
    Err(DeviceError::NotCompiled { name: "webgpu" })
}

/// Lists the devices that can be opened, in the order of preference of `auto`.
///
/// CUDA devices are opened to read their names, others are only enumerated; so
/// [`DeviceInfo::max_buffer_bytes`] can be larger once a device is open.
pub fn list() -> Vec<DeviceInfo> {
    let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    CHOICES.into_iter().flat_map(found).collect()
}

/// The properties of a GPU that this process has opened; `None` for a CPU, or a device of another
/// origin.
pub(crate) fn info_of(device: &Device) -> Option<DeviceInfo> {
    #[cfg(feature = "wgpu")]
    if let Some(info) = adapters::info_of(device) {
        return Some(info);
    }
    #[cfg(feature = "webgpu")]
    if let Some(info) = browser::info_of(device) {
        return Some(info);
    }
    _ = device;
    None
}

/// Checks that an embedding matrix of `n_rows` × `width` fits into one buffer of the device; each of
/// AdamW's moments is as large.
///
/// # Errors
/// [`DeviceError::TooLarge`] if it does not fit.
pub fn check_embedding_matrix(
    info: &DeviceInfo,
    [n_rows, width]: [usize; 2],
) -> Result<(), DeviceError> {
    let what = format!("embedding matrix of {n_rows} × {width}");
    let n_bytes = (n_rows as u64).saturating_mul(width as u64 * size_of::<f32>() as u64);
    check_buffer(info, &what, n_bytes, "trim the vocabulary to the languages you need")
}

/// Checks that a tensor fits into one buffer of the device.
///
/// `what` begins the message: `embedding matrix of 250002 × 768`; `remedy` says what makes it
/// smaller.
///
/// # Errors
/// [`DeviceError::TooLarge`] if it does not fit.
pub fn check_buffer(
    info: &DeviceInfo,
    what: &str,
    bytes: u64,
    remedy: &'static str,
) -> Result<(), DeviceError> {
    match info.max_buffer_bytes {
        Some(max_bytes) if bytes > max_bytes => Err(DeviceError::TooLarge {
            what: what.to_owned(),
            bytes,
            device: info.adapter.as_ref().unwrap_or(&info.name).clone(),
            max_bytes,
            remedy,
        }),
        _ => Ok(()),
    }
}

/// Batch size, at most `most`, with which a tensor of `item_bytes` for each item fits into one buffer
/// of the device; 1 if not even one item fits.
pub fn batch_size_within(info: &DeviceInfo, most: usize, item_bytes: u64) -> usize {
    let n_items = info.max_buffer_bytes.map_or(u64::MAX, |bytes| bytes / item_bytes.max(1));
    usize::try_from(n_items).unwrap_or(usize::MAX).min(most).max(1)
}

/// Reads a tensor back to the host, as values of type `T`.
///
/// # Errors
/// [`DeviceError::Lost`] if the values cannot be read.
pub async fn read<T: Element, const D: usize, K: Basic>(
    tensor: Tensor<D, K>,
) -> Result<Vec<T>, DeviceError> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| DeviceError::Lost { problem: error.to_string() })?;
    let values = data.convert::<T>().try_into_vec::<T>();
    Ok(values.expect("the numbers were just converted to this type"))
}

/// Opens the best device, for `auto`; a GPU that cannot be opened is skipped.
fn open_best(skipped: &mut dyn FnMut(&DeviceError)) -> Result<OpenDevice, DeviceError> {
    let is_cpu = |choice| [DeviceChoice::Flex, DeviceChoice::Ndarray].contains(&choice);
    let there = CHOICES.into_iter().filter(|choice| is_cpu(*choice) || has_gpu(*choice));
    first_that_opens(there, open_named, skipped)
}

/// The first device that can be opened; `skipped` is called for those before it, once for a GPU
/// that two names stand for.
fn first_that_opens<T>(
    choices: impl Iterator<Item = DeviceChoice>,
    open: impl Fn(DeviceChoice) -> Result<T, DeviceError>,
    skipped: &mut dyn FnMut(&DeviceError),
) -> Result<T, DeviceError> {
    let mut problems = Vec::new();
    for choice in choices {
        let error = match open(choice) {
            Ok(device) => return Ok(device),
            // A CPU backend.
            Err(DeviceError::NotCompiled { .. }) => continue,
            Err(error) => error,
        };
        let problem = match &error {
            DeviceError::Driver { problem, .. } => problem.clone(),
            error => error.to_string(),
        };
        if !problems.contains(&problem) {
            skipped(&error);
            problems.push(problem);
        }
    }
    Err(DeviceError::NothingForAuto)
}

fn open_named(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    match choice {
        #[cfg(feature = "flex")]
        DeviceChoice::Flex => Ok(OpenDevice { device: Device::flex(), info: cpu_info("flex") }),
        #[cfg(feature = "ndarray")]
        DeviceChoice::Ndarray => Ok(OpenDevice { device: ndarray(), info: cpu_info("ndarray") }),
        #[cfg(feature = "vulkan")]
        DeviceChoice::Vulkan(_) => adapters::open(choice),
        #[cfg(feature = "metal")]
        DeviceChoice::Metal(_) => adapters::open(choice),
        #[cfg(feature = "dx12")]
        DeviceChoice::Dx12(_) => adapters::open(choice),
        #[cfg(feature = "wgpu")]
        DeviceChoice::Wgpu(_) => adapters::open(choice),
        #[cfg(feature = "cuda")]
        DeviceChoice::Cuda(_) => cuda::open(choice),
        _ => Err(DeviceError::NotCompiled { name: choice.name() }),
    }
}

/// The devices of a backend; empty if it is not compiled in.
fn found(choice: DeviceChoice) -> Vec<DeviceInfo> {
    match choice {
        #[cfg(feature = "flex")]
        DeviceChoice::Flex => vec![cpu_info("flex")],
        #[cfg(feature = "ndarray")]
        DeviceChoice::Ndarray => vec![cpu_info("ndarray")],
        #[cfg(feature = "vulkan")]
        DeviceChoice::Vulkan(_) => adapters::list(choice),
        #[cfg(feature = "metal")]
        DeviceChoice::Metal(_) => adapters::list(choice),
        #[cfg(feature = "dx12")]
        DeviceChoice::Dx12(_) => adapters::list(choice),
        #[cfg(feature = "wgpu")]
        DeviceChoice::Wgpu(_) => adapters::list(choice),
        #[cfg(feature = "cuda")]
        DeviceChoice::Cuda(_) => cuda::list(),
        _ => Vec::new(),
    }
}

/// Whether a backend has a hardware GPU.
fn has_gpu(choice: DeviceChoice) -> bool {
    match choice {
        DeviceChoice::Flex | DeviceChoice::Ndarray => false,
        // `found` would open every card.
        #[cfg(feature = "cuda")]
        DeviceChoice::Cuda(_) => cuda::count() > 0,
        _ => found(choice).iter().any(|info| !info.is_software),
    }
}

#[cfg(feature = "ndarray")]
fn ndarray() -> Device {
    #[expect(deprecated, reason = "a second opinion on flex for as long as Burn has it")]
    Device::ndarray()
}

#[cfg(test)]
pub(crate) use tests::test_device;

#[cfg(test)]
mod tests;
