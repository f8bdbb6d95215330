//! WebAssembly toolchain: that of rustup if its target is installed, else that of Debian.
//!
//! Debian's `rustc-web` comes with the sources of its library, from which Cargo builds `std`. The
//! packages are unpacked into the target folder, and nothing is installed; rustup's own linker
//! links.

#[cfg(unix)]
mod debian;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Compiler flags: SIMD, which all recent browsers support.
const FLAGS: &str = "-C target-feature=+simd128";

pub(super) enum Toolchain {
    Rustup,
    Debian { rustc: PathBuf },
}

impl Toolchain {
    pub(super) fn find() -> Result<Self> {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let sysroot = Path::new(sysroot.trim());
        if sysroot.join("lib/rustlib").join(TARGET).exists() {
            return Ok(Self::Rustup);
        }
        ensure!(
            cfg!(unix) && Command::new("apt-get").arg("--version").output().is_ok(),
            "no target {TARGET}: run `rustup target add {TARGET}`"
        );
        #[cfg(unix)]
        return Ok(Self::Debian { rustc: debian::rustc(sysroot)? });
        #[cfg(not(unix))]
        unreachable!("there is no apt-get")
    }

    /// Configures a `cargo build` for [`TARGET`] to use this toolchain.
    pub(super) fn prepare(&self, build: &mut Command) {
        build.env("RUSTFLAGS", FLAGS);
        if let Self::Debian { rustc } = self {
            build.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
            build.arg("-Zbuild-std=std,panic_abort");
        }
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
