//! Bottleneck adapters (Houlsby et al. 2019; Pfeiffer et al. 2020): a small network after the
//! sublayers of each block.

mod config;
mod folder;
mod module;

pub use config::{AdapterInit, AdapterResidual, BottleneckConfig};
pub(super) use folder::{config_fields, earlier_tensor_names, read_config, tensor_name};
pub(crate) use module::{Bottleneck, LayerAdapter, SublayerEnd};
