//! Error types of model folders, configurations, adapters and inputs.

mod adapter;
mod config;
mod input;
mod load;
mod nearest;
mod save;
mod student;
mod weights;

pub use adapter::AdapterError;
pub use config::ConfigError;
pub use input::InputError;
pub use load::LoadError;
pub(crate) use nearest::nearest;
pub use save::SaveError;
pub use student::StudentError;
pub use weights::{LoadFault, SafetensorsError};
