//! Device choice: a parsed device name such as `vulkan:1`.

use std::fmt;
use std::str::FromStr;

use super::error::DeviceError;

/// Device choice: a parsed device name, as given to `--device`.
///
/// The number is the one that `isogloss devices` shows, counted per name; without it the best
/// adapter is taken (discrete before integrated before virtual before software).
/// Every name parses in every build; [`open`](super::open) fails if its backend is not compiled in.
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

/// All backends in the order of preference, which `auto` follows.
pub(super) const CHOICES: [DeviceChoice; 7] = [
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

    /// The number: the adapter index, if the user gave one.
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
