//! The driver that the GPU tests run on: SwiftShader on Linux, the system's own elsewhere.

use std::env;
use std::fs;
use std::path::{Path, absolute};
use std::process::Command;

use anyhow::Result;

use crate::target_folder;

/// Tells the tests that a GPU device will open; where it is not set they skip what needs one.
const GPU_TESTS: &str = "ISOGLOSS_TEST_GPU";

/// Where the Vulkan loader reads its drivers from, by its new and its old name.
const LOADER: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// Where browsers put SwiftShader, the software driver that compiles our kernels in seconds.
///
/// Mesa's lavapipe takes minutes for the same and is left alone.
const SWIFTSHADER: [&str; 3] = [
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
    "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
];

enum Driver {
    /// What the caller's environment or the system gives.
    Given(String),
    SwiftShader(&'static str),
}

/// Gives `tests` the environment of a GPU, and says which it is or why there is none.
pub(crate) fn prepare(tests: &mut Command) -> Result<()> {
    let name = match find() {
        Ok(Driver::Given(name)) => name,
        Ok(Driver::SwiftShader(path)) => {
            tests.envs(LOADER.map(|variable| (variable, path)));
            format!("SwiftShader, {path}")
        }
        Err(reason) => {
            println!("GPU tests: skipped, {reason}");
            return Ok(());
        }
    };
    println!("GPU tests: {name}");
    tests.env(GPU_TESTS, name);
    if cfg!(target_os = "linux") && env::var_os("XDG_RUNTIME_DIR").is_none() {
        // wgpu prints errors without one.
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

/// Whether the system has a Vulkan loader; where it cannot be asked, wgpu will find out.
fn has_loader() -> bool {
    let libraries = Command::new("/sbin/ldconfig").arg("-p").output();
    libraries.map_or(true, |list| String::from_utf8_lossy(&list.stdout).contains("libvulkan.so.1"))
}
