//! stub
#![allow(missing_docs)]
#[derive(Clone, Debug, serde::Serialize)]
pub struct DeviceInfo { pub name: String }
#[derive(Debug, thiserror::Error)]
#[error("device")]
pub struct DeviceError;
pub fn check_buffer(_: &DeviceInfo, _: &str, _: u64) -> Result<(), DeviceError> { Ok(()) }
