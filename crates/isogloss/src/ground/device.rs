//! Where tensors live: a name such as `vulkan:1` in, an opened [`Device`] out.
//!
//! [`DeviceChoice`] is what the user writes, [`open`] makes a device of it, [`list`] tells what
//! there is.
//! This is the only file that asks which backends were compiled in.
//! Autodiff is the trainer's business: a device leaves here without it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use burn::tensor::kind::Basic;
use burn::tensor::{Device, Element, Tensor};
use serde::Serialize;

#[cfg(feature = "wgpu")]
mod adapters;
#[cfg(feature = "webgpu")]
mod browser;
#[cfg(feature = "cuda")]
mod cuda;
mod error;

pub use error::DeviceError;

/// Held while devices are looked for or opened: the Vulkan loader crashes when instances come and
/// go on several threads at once (a note in cubecl-wgpu's `runtime.rs`).
static GATE: Mutex<()> = Mutex::new(());

/// A device as the user names it.
///
/// The number is the one that `isogloss devices` shows, counted per name; without it the best
/// adapter is taken (discrete before integrated before virtual before software).
/// Every name parses in every build; [`open`] tells when one is not compiled in.
///
/// ```
/// use isogloss::device::DeviceChoice;
///
/// let choice: DeviceChoice = "vulkan:1".parse()?;
/// assert_eq!(choice, DeviceChoice::Vulkan(Some(1)));
/// assert_eq!(choice.to_string(), "vulkan:1");
/// # Ok::<(), isogloss::device::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The best GPU that is compiled in and present, else the CPU.
    #[default]
    Auto,
    /// The CPU, through burn-flex.
    Flex,
    /// The CPU, through burn-ndarray.
    Ndarray,
    /// A GPU through Vulkan, kernels in SPIR-V where the driver takes it.
    Vulkan(Option<usize>),
    /// An Apple GPU through Metal, kernels in Metal's own language.
    Metal(Option<usize>),
    /// A GPU through DirectX 12.
    Dx12(Option<usize>),
    /// A GPU through the first of Vulkan and DirectX 12 (on macOS: Metal) that has one.
    Wgpu(Option<usize>),
    /// An NVIDIA GPU through CUDA.
    Cuda(Option<usize>),
}

/// Every name that stands for a device of its own, best first; `auto` goes by this order.
const CHOICES: [DeviceChoice; 7] = [
    DeviceChoice::Cuda(None),
    DeviceChoice::Metal(None),
    DeviceChoice::Vulkan(None),
    DeviceChoice::Dx12(None),
    DeviceChoice::Wgpu(None),
    DeviceChoice::Flex,
    DeviceChoice::Ndarray,
];

impl DeviceChoice {
    /// The name without the number, which is also the Cargo feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Vulkan(_) => "vulkan",
            Self::Metal(_) => "metal",
            Self::Dx12(_) => "dx12",
            Self::Wgpu(_) => "wgpu",
            Self::Cuda(_) => "cuda",
        }
    }

    /// The number, where the user gave one.
    pub fn index(self) -> Option<usize> {
        match self {
            Self::Auto | Self::Flex | Self::Ndarray => None,
            Self::Vulkan(index)
            | Self::Metal(index)
            | Self::Dx12(index)
            | Self::Wgpu(index)
            | Self::Cuda(index) => index,
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    /// Reads `name` or `name:number`.
    ///
    /// # Errors
    /// [`DeviceError::UnknownName`] and [`DeviceError::BadNumber`].
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        let bad_number = || DeviceError::BadNumber { text: text.to_owned() };
        let index = match number {
            // `parse` would take `+1` as well.
            Some(digits) if digits.starts_with('+') => return Err(bad_number()),
            Some(digits) => Some(digits.parse().map_err(|_| bad_number())?),
            None => None,
        };
        let unnumbered = |choice| if index.is_none() { Ok(choice) } else { Err(bad_number()) };
        match name {
            "auto" => unnumbered(Self::Auto),
            "flex" => unnumbered(Self::Flex),
            "ndarray" => unnumbered(Self::Ndarray),
            "vulkan" => Ok(Self::Vulkan(index)),
            "metal" => Ok(Self::Metal(index)),
            "dx12" => Ok(Self::Dx12(index)),
            "wgpu" => Ok(Self::Wgpu(index)),
            "cuda" => Ok(Self::Cuda(index)),
            _ => Err(DeviceError::UnknownName { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.index() {
            Some(index) => write!(f, ":{index}"),
            None => Ok(()),
        }
    }
}

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

/// The device names of this build.
pub fn compiled() -> &'static [&'static str] {
    &[
        #[cfg(feature = "flex")]
        "flex",
        #[cfg(feature = "ndarray")]
        "ndarray",
        #[cfg(feature = "vulkan")]
        "vulkan",
        #[cfg(feature = "metal")]
        "metal",
        #[cfg(feature = "dx12")]
        "dx12",
        #[cfg(feature = "wgpu")]
        "wgpu",
        #[cfg(feature = "cuda")]
        "cuda",
    ]
}

/// Opens a device; one that is already open in this process is handed out again.
///
/// # Errors
/// [`DeviceError`] when the device is not compiled in, not there, or its driver refuses.
pub fn open(choice: DeviceChoice) -> Result<OpenDevice, DeviceError> {
    let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    if choice == DeviceChoice::Auto { open_best() } else { open_named(choice) }
}

/// Opens the GPU of a browser; one that is already open is handed out again.
///
/// # Errors
/// [`DeviceError::NotCompiled`] in a build without it, [`DeviceError::Driver`] when the browser gives
/// none.
pub async fn open_webgpu() -> Result<OpenDevice, DeviceError> {
    #[cfg(feature = "webgpu")]
    return browser::open().await;
    #[cfg(not(feature = "webgpu"))]
    Err(DeviceError::NotCompiled { name: "webgpu" })
}

/// All devices that can be opened here, in the order in which `auto` would take them.
///
/// CUDA devices are opened for their names, the others are only looked at; so
/// [`DeviceInfo::max_buffer_bytes`] can be larger once a device is open.
pub fn list() -> Vec<DeviceInfo> {
    let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    CHOICES.into_iter().flat_map(found).collect()
}

/// Checks that a tensor fits into one buffer of the device.
///
/// `what` begins the message: `embedding table of 250002 × 768`.
///
/// # Errors
/// [`DeviceError::TooLarge`] if it does not fit.
pub fn check_buffer(info: &DeviceInfo, what: &str, bytes: u64) -> Result<(), DeviceError> {
    match info.max_buffer_bytes {
        Some(max_bytes) if bytes > max_bytes => Err(DeviceError::TooLarge {
            what: what.to_owned(),
            bytes,
            device: info.adapter.as_ref().unwrap_or(&info.name).clone(),
            max_bytes,
        }),
        _ => Ok(()),
    }
}

/// Reads a tensor back as numbers of a type.
///
/// # Errors
/// [`DeviceError::Lost`] if the device does not give them back.
pub async fn read<T: Element, const D: usize, K: Basic>(
    tensor: Tensor<D, K>,
) -> Result<Vec<T>, DeviceError> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| DeviceError::Lost { problem: error.to_string() })?;
    let values = data.convert::<T>().try_into_vec::<T>();
    Ok(values.expect("the numbers were just converted to this type"))
}

/// A GPU whose driver fails is passed over like one that is not there.
fn open_best() -> Result<OpenDevice, DeviceError> {
    let cpus = [DeviceChoice::Flex, DeviceChoice::Ndarray];
    CHOICES
        .into_iter()
        .filter(|choice| cpus.contains(choice) || has_gpu(*choice))
        .find_map(|choice| open_named(choice).ok())
        .ok_or(DeviceError::NothingForAuto)
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

/// The devices behind a name; none if it is not compiled in.
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

/// Whether a name leads to hardware that is no CPU.
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

#[cfg(any(feature = "flex", feature = "ndarray"))]
fn cpu_info(name: &str) -> DeviceInfo {
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

/// Runs code that calls a driver; a panic in there becomes an error, after the panic hook has
/// printed it.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn guarded<T>(device: &str, call: impl FnOnce() -> Result<T, String>) -> Result<T, DeviceError> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    // Nothing is read afterwards that the call could have left half done.
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(text.unwrap_or_else(|| "panic in the driver".to_owned()))
    });
    result.map_err(|problem| DeviceError::Driver { device: device.to_owned(), problem })
}

#[cfg(test)]
mod tests;
