//! Test support: fixtures, devices, comparisons.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod gradients;
pub mod runs;
mod trees;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss_model::{HeadChoice, LoadedModel, WeightFiles, load};

/// The folder of the committed fixtures.
pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Test devices, with a name for messages: flex, ndarray if it is compiled in, and a software
/// Vulkan device if `cargo xtask test` found one (`ISOGLOSS_TEST_GPU`).
pub fn devices() -> Vec<(&'static str, Device)> {
    let devices = [("flex", Device::flex())];
    #[cfg(feature = "ndarray")]
    #[expect(deprecated, reason = "ndarray stays on offer as a second opinion")]
    let devices = devices.into_iter().chain([("ndarray", Device::ndarray())]);
    #[cfg(feature = "wgpu")]
    let devices = {
        let has_gpu = has_gpu();
        if !has_gpu {
            eprintln!("no ISOGLOSS_TEST_GPU: the Vulkan device is left out");
        }
        let gpu = || ("vulkan", Device::wgpu(burn::tensor::DeviceKind::DefaultDevice));
        devices.into_iter().chain(has_gpu.then(gpu))
    };
    devices.into_iter().collect()
}

fn has_gpu() -> bool {
    cfg!(feature = "wgpu") && std::env::var_os("ISOGLOSS_TEST_GPU").is_some()
}

/// The same devices without flex, opened as a run opens them.
pub fn opened_devices() -> Vec<OpenDevice> {
    let ndarray = cfg!(feature = "ndarray").then_some(DeviceChoice::Ndarray);
    let gpu = has_gpu().then_some(DeviceChoice::Wgpu(None));
    ndarray.into_iter().chain(gpu).map(|choice| open(choice).unwrap()).collect()
}

/// Fixture file (safetensors), with tensors by name.
pub struct Fixture {
    tensors: safetensors::SafeTensors<'static>,
}

impl Fixture {
    /// Opens `tests/fixtures/<name>.safetensors`.
    pub fn open(name: &str) -> Self {
        Self::read(&fixtures().join(format!("{name}.safetensors")))
    }

    /// Opens any safetensors file.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { tensors: safetensors::SafeTensors::deserialize(bytes.leak()).unwrap() }
    }

    /// The names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.tensors.names().into_iter().map(str::to_owned).collect()
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")).shape().to_vec()
    }

    /// The values of a float tensor.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        let view = self.tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    /// The values of an integer tensor.
    pub fn ints(&self, name: &str) -> Vec<i32> {
        let view = self.tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        view.data().as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect()
    }
}

/// Copies a folder recursively.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Copies the model of a family, with the tiny tokenizer.
pub fn copy_model(family: &str, to: &Path) {
    copy_folder(&fixtures().join(family), to);
    std::fs::copy(fixtures().join("tokenizer.json"), to.join("tokenizer.json")).unwrap();
}

/// Loads the model of a fixture's folder with its saved head.
pub fn saved_model(folder: &str, device: &Device) -> LoadedModel {
    load(fixtures().join(folder), &HeadChoice::Saved, device).unwrap()
}

/// Opens the weights of a fixture's folder.
pub fn weights(folder: &str) -> WeightFiles {
    WeightFiles::open(&fixtures().join(folder)).unwrap()
}

/// The values of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// A tensor with these values.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Deterministic pseudo-random numbers: `sin` of a quadratic.
pub fn waves(n: usize, phase: f32) -> Vec<f32> {
    (0..n).map(|i| (phase + i as f32 * 1.37 + (i * i % 97) as f32).sin()).collect()
}

/// Maximum absolute difference `max |a - b|`, and the relative one, divided by `max |b|`.
///
/// # Panics
/// If the lengths differ or a number is not finite.
pub fn difference(a: &[f32], b: &[f32]) -> (f32, f32) {
    assert_eq!(a.len(), b.len(), "lengths");
    assert!(a.iter().chain(b).all(|x| x.is_finite()), "a number that is not finite");
    let absolute = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let scale = b.iter().map(|b| b.abs()).fold(0.0, f32::max);
    (absolute, if scale > 0.0 { absolute / scale } else { absolute })
}

/// Fails unless the values agree within `tolerance`, relative to the largest of them.
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let (absolute, relative) = difference(found, expected);
    assert!(
        relative <= tolerance,
        "{what}: relative difference {relative:e} (absolute {absolute:e}) above {tolerance:e}"
    );
}
