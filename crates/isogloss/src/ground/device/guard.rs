//! Panic guard: panics of graphics drivers become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::error::DeviceError;

/// Panic guard: runs code that calls a driver; a panic in it becomes an error, after the panic hook
/// has printed it.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(super) fn guarded<T>(
    device: &str,
    call: impl FnOnce() -> Result<T, String>,
) -> Result<T, DeviceError> {
    let result = caught(call).unwrap_or_else(Err);
    result.map_err(|problem| DeviceError::Driver { device: device.to_owned(), problem })
}

/// Runs code that calls a driver; a panic in it becomes an error with its message. No state that
/// the code could have left inconsistent may be read afterwards.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "panic in the driver".to_owned())
    })
}
