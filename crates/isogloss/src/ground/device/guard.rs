//! Panic guard: panics of graphics drivers become errors.

use super::error::DeviceError;

/// Panic guard: runs code that calls a driver; a panic in it becomes an error, after the panic hook
/// has printed it.
pub(super) fn guarded<T>(
    device: &str,
    call: impl FnOnce() -> Result<T, String>,
) -> Result<T, DeviceError> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    // Unwind safety: no state that the call could have left inconsistent is read afterwards.
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(text.unwrap_or_else(|| "panic in the driver".to_owned()))
    });
    result.map_err(|problem| DeviceError::Driver { device: device.to_owned(), problem })
}
