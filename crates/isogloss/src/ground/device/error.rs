//! Errors of opening and using devices.

use isogloss_kernels::Precision;

use super::compiled::compiled;

/// Error of opening or using a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// An unknown device name.
    #[error(
        "unknown device {name:?}: expected auto, flex, ndarray, vulkan, metal, dx12, wgpu or \
         cuda, the last five also with a number such as vulkan:1"
    )]
    UnknownName {
        /// The name as given.
        name: String,
    },
    /// An invalid number after the colon, or a number for a device that takes none.
    #[error(
        "device {text:?}: expected a number from 0 after the colon, and only for vulkan, metal, \
         dx12, wgpu and cuda"
    )]
    BadNumber {
        /// The whole text as given.
        text: String,
    },
    /// A device whose backend is not compiled in.
    #[error(
        "device {name} is not compiled in (this build has: {}); add it with \
         `cargo build --release --features {name}`",
        compiled().join(", ")
    )]
    NotCompiled {
        /// The device, and the Cargo feature to add.
        name: &'static str,
    },
    /// `auto` found neither a GPU nor a CPU backend.
    #[error(
        "no usable GPU was found and no CPU device is compiled in (this build has: {}); add one \
         with `cargo build --release --features flex`, or name a device",
        compiled().join(", ")
    )]
    NothingForAuto,
    /// The graphics API has no adapter at all.
    #[error("no {name} adapter was found; is its driver installed?")]
    NoAdapter {
        /// The device without a number.
        name: &'static str,
    },
    /// No adapter has this number.
    #[error("device {device} does not exist; there are: {found}")]
    NoSuchAdapter {
        /// The device as given.
        device: String,
        /// The devices of that name.
        found: String,
    },
    /// The driver, or Burn's use of it, failed.
    #[error("device {device} cannot be opened: {problem}")]
    Driver {
        /// The device with its number.
        device: String,
        /// The error message of the driver or of Burn.
        problem: String,
    },
    /// A device without arithmetic in a precision.
    #[error("device {device} has no {precision} arithmetic; use --precision f32 or another device")]
    NoPrecision {
        /// The device with its number.
        device: String,
        /// The precision.
        precision: Precision,
    },
    /// A GPU whose kernels are tuned, where a deterministic device is asked for.
    #[error(
        "device {device} is not deterministic: its matrix products are tuned, and another kernel \
         can be the fastest in another process; a build with `--features wgpu`, and without \
         vulkan, metal, dx12 and cuda, tunes none, and --device flex has none to tune"
    )]
    NotDeterministic {
        /// The device with its number.
        device: String,
    },
    /// A lost device, which does not respond any more.
    #[error("the device was lost: {problem}")]
    Lost {
        /// The error message of Burn.
        problem: String,
    },
    /// A tensor larger than the largest buffer.
    #[error(
        "{what} needs {}, but the largest buffer of {device:?} is {}; {remedy}, or use \
         --device flex",
        megabytes(*bytes, *max_bytes),
        megabytes(*max_bytes, *bytes)
    )]
    TooLarge {
        /// The tensor.
        what: String,
        /// Its size.
        bytes: u64,
        /// The name that the adapter reports.
        device: String,
        /// The largest buffer.
        max_bytes: u64,
        /// What makes the tensor smaller.
        remedy: &'static str,
    },
}

/// `bytes` in MB of 10⁶ bytes, or exactly if it would be rounded to the same MB as `other`.
fn megabytes(bytes: u64, other: u64) -> String {
    let round = |bytes: u64| bytes.saturating_add(500_000) / 1_000_000;
    if round(bytes) == round(other) {
        format!("{bytes} bytes")
    } else {
        format!("{} MB", round(bytes))
    }
}
