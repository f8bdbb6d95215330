//! Shaders of a training step for graphics APIs that the machine of the tests does not have: the WGSL
//! of every kernel is translated to Metal's language and to HLSL, by the compiler that wgpu uses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::Command;

use isogloss::device::OpenDevice;
use isogloss_tests::opened_devices;
use isogloss_tests::runs::Workshop;
use naga::back::{hlsl, msl};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Set in the process that trains, to the log in which CubeCL writes the source of each kernel.
const LOG: &str = "CUBECL_DEBUG_LOG";

/// Fused kernels of a training step.
const KERNELS: [&str; 12] = [
    "adamw::cube::step_tensors",
    "attention::cube::backward::key_value_gradients",
    "attention::cube::backward::query_gradients",
    "attention::cube::forward::attend",
    "clip::cube::clip_factor",
    "cross_entropy::cube::lose_rows",
    "dropout::cube::drop_elements",
    "embedding::cube::add_rows",
    "layer_norm::cube::normalize_rows",
    "layer_norm::cube::normalize_rows_grad",
    "linear_gelu::cube::biased_gelu",
    "linear_gelu::cube::biased_gelu_grad",
];

/// Storage buffers of a shader stage that WebGPU guarantees (`maxStorageBuffersPerShaderStage`,
/// W3C WebGPU, §3.6.2).
const WEBGPU_STORAGE_BUFFERS: usize = 8;

/// A GPU whose kernels are WGSL.
fn gpu() -> Option<OpenDevice> {
    opened_devices().into_iter().find(|device| device.info.kernel_language == Some("wgsl"))
}

/// Trains two steps; a test only in the process that [`kernels_translate_to_metal_and_hlsl`] starts,
/// because CubeCL reads its settings once.
#[test]
fn two_steps_are_logged() {
    let Some(device) = gpu().filter(|_| std::env::var_os(LOG).is_some()) else { return };
    let shop = Workshop::new();
    let plan = shop.plan("max_steps = 2\nbatch_size = 4", "");
    shop.finish_on(&device, &plan, &shop.run("logged"));
}

#[test]
fn kernels_translate_to_metal_and_hlsl() {
    if gpu().is_none() {
        eprintln!(
            "no ISOGLOSS_TEST_GPU, or a build with Metal's own kernels: nothing to translate"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("kernels.log");
    let tests = std::env::current_exe().unwrap();
    let arguments = ["--exact", "two_steps_are_logged"];
    assert!(Command::new(tests).args(arguments).env(LOG, &log).status().unwrap().success());
    let sources = sources(&std::fs::read_to_string(&log).unwrap());
    for (name, source) in &sources {
        translate(source).unwrap_or_else(|problem| panic!("{name}: {problem}\n{source}"));
    }
    for kernel in KERNELS {
        let begin = format!("isogloss_kernels::{kernel}::");
        assert!(sources.keys().any(|name| name.starts_with(&begin)), "{kernel}: {sources:#?}");
    }
    // Inference has fused attention on every device of WebGPU.
    let attention = sources.iter().filter(|(name, _)| name.contains("forward::attend"));
    for (name, source) in attention {
        let n_buffers = source.matches("var<storage").count();
        assert!((6..=WEBGPU_STORAGE_BUFFERS).contains(&n_buffers), "{name}: {n_buffers}\n{source}");
    }
}

/// WGSL of each kernel in a log, by its name and the line of the log.
fn sources(log: &str) -> BTreeMap<String, String> {
    let entries = log.split("[START_KERNEL_COMPILATION]").skip(1).enumerate();
    let entries = entries.filter_map(|(index, entry)| {
        let name = entry.split("name: ").nth(1)?.lines().next()?;
        let source = entry.split("```wgsl\n").nth(1)?.split("```").next()?;
        Some((format!("{name} {index}"), source.to_owned()))
    });
    entries.collect()
}

/// Translates WGSL to Metal's language and to HLSL.
fn translate(source: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(source))?;
    let options = msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        ..msl::Options::default()
    };
    let (metal, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
        .map_err(|error| format!("Metal: {error}"))?;
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        fake_missing_bindings: true,
        ..hlsl::Options::default()
    };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
    hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(&module, &info, None)
        .map_err(|error| format!("HLSL: {error}"))?;
    match metal.contains("kernel void") && text.contains("numthreads") {
        true => Ok(()),
        false => Err("no compute shader".to_owned()),
    }
}
