//! GPU drivers of the tests: on Linux SwiftShader, and lavapipe for single kernels; the system's own
//! elsewhere.

use std::env;
use std::fs;
use std::path::{Path, absolute};
use std::process::Command;

use anyhow::Result;

use crate::target_folder;

/// Environment variable that enables the GPU tests; without it they are skipped.
const GPU_TESTS: &str = "ISOGLOSS_TEST_GPU";

/// Environment variables with the drivers of the Vulkan loader, by new and old name.
const LOADER: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// Paths where browsers install SwiftShader, the software driver that compiles our kernels in
/// seconds.
const SWIFTSHADER: [&str; 3] = [
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
    "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
];

/// Folder of the drivers that the system installs for the Vulkan loader.
const DRIVERS: &str = "/usr/share/vulkan/icd.d";

enum Driver {
    /// Driver of the caller's environment or of the system.
    Given(String),
    SwiftShader(&'static str),
}

/// Sets the GPU variables of `tests`, and prints the driver or why there is none.
pub(crate) fn prepare(tests: &mut Command) -> Result<()> {
    let name = match find() {
        Ok(Driver::Given(name)) => name,
        Ok(Driver::SwiftShader(path)) => {
            use_driver(tests, path);
            format!("SwiftShader, {path}")
        }
        Err(reason) => {
            println!("GPU tests: skipped, {reason}");
            return Ok(());
        }
    };
    println!("GPU tests: {name}");
    tests.env(GPU_TESTS, name);
    prepare_runtime(tests)
}

/// Sets the GPU variables of `tests` for lavapipe, Mesa's software driver, which shares no code with
/// SwiftShader and takes minutes for the kernels that it compiles in seconds; returns whether it is
/// installed.
pub(crate) fn prepare_lavapipe(tests: &mut Command) -> Result<bool> {
    let names = [format!("lvp_icd.{}.json", env::consts::ARCH), "lvp_icd.json".to_owned()];
    let mut paths = names.iter().map(|name| format!("{DRIVERS}/{name}"));
    let Some(path) = paths.find(|path| Path::new(path).exists()) else {
        println!("skipped, no lavapipe in {DRIVERS} (Debian's package mesa-vulkan-drivers)");
        return Ok(false);
    };
    println!("GPU tests: lavapipe, {path}");
    use_driver(tests, &path);
    tests.env(GPU_TESTS, format!("lavapipe, {path}"));
    prepare_runtime(tests)?;
    Ok(true)
}

fn use_driver(tests: &mut Command, path: &str) {
    tests.envs(LOADER.map(|variable| (variable, path)));
}

fn prepare_runtime(tests: &mut Command) -> Result<()> {
    if cfg!(target_os = "linux") && env::var_os("XDG_RUNTIME_DIR").is_none() {
        // wgpu prints errors without this folder.
        let folder = absolute(target_folder().join("runtime"))?;
        fs::create_dir_all(&folder)?;
        tests.env("XDG_RUNTIME_DIR", folder);
    }
    Ok(())
}

fn find() -> Result<Driver, &'static str> {
    for variable in [GPU_TESTS].into_iter().chain(LOADER) {
        if let Ok(value) = env::var(variable) {
            return Ok(Driver::Given(format!("{variable}={value}")));
        }
    }
    if !cfg!(target_os = "linux") {
        return Ok(Driver::Given(format!("the adapter that {} offers", env::consts::OS)));
    }
    if !has_loader() {
        return Err("no libvulkan.so.1 (Debian's package libvulkan1)");
    }
    let path = SWIFTSHADER.into_iter().find(|path| Path::new(path).exists());
    path.map(Driver::SwiftShader).ok_or(
        "no SwiftShader (Debian's package chromium); \
         set VK_DRIVER_FILES to use another Vulkan driver",
    )
}

/// Whether the system has a Vulkan loader; true without `ldconfig`, as wgpu will find out.
fn has_loader() -> bool {
    let libraries = Command::new("/sbin/ldconfig").arg("-p").output();
    libraries.map_or(true, |list| String::from_utf8_lossy(&list.stdout).contains("libvulkan.so.1"))
}
