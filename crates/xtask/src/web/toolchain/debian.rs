//! Debian's WebAssembly compiler (`rustc-web`), unpacked into the target folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result};

use super::output;
use crate::{run, target_folder};

/// Debian packages: the compiler, its library compiled and as source, and the libraries they link.
const PACKAGES: [&str; 11] = [
    "rustc-web",
    "rust-web-src",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev",
    "libllvm22",
    "libedit2",
    "libffi8",
    "libxml2",
    "libz3-4",
    "libzstd1",
    "zlib1g",
];

/// Path of the compiler, which is unpacked if it is missing.
pub(super) fn rustc(sysroot: &Path) -> Result<PathBuf> {
    let root = absolute(target_folder().join("rust-web"))?;
    let rustc = root.join("bin/rustc");
    if !rustc.exists() {
        unpack(&root, sysroot).context("cannot unpack Debian's rustc-web")?;
    }
    Ok(rustc)
}

fn unpack(root: &Path, sysroot: &Path) -> Result<()> {
    println!("unpacking Debian's rustc-web into {}", root.display());
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    let packages = root.join("packages");
    fs::create_dir_all(&packages)?;
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut download = Command::new("apt-get");
    run(download.args(["download", "-qq"]).args(PACKAGES).current_dir(&packages))?;
    for package in fs::read_dir(&packages)? {
        let mut unpack = Command::new("dpkg-deb");
        run(unpack.arg("--extract").arg(package?.path()).arg(root))?;
    }
    fs::remove_dir_all(&packages)?;

    let host = output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let tools = Path::new("lib/rustlib").join(host.trim()).join("bin");
    fs::create_dir_all(root.join("usr").join(&tools))?;
    symlink(sysroot.join(&tools).join("rust-lld"), root.join("usr").join(&tools).join("rust-lld"))?;

    // Written last: if this file exists, so does the rest.
    let libraries = root.join("usr/lib").join(std::env::consts::ARCH.to_owned() + "-linux-gnu");
    let script = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH={}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\nexec {}/usr/bin/rustc \"$@\"\n",
        libraries.display(),
        root.display()
    );
    fs::create_dir_all(root.join("bin"))?;
    let partial = root.join("bin/rustc.partial");
    fs::write(&partial, script)?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
    fs::rename(partial, root.join("bin/rustc"))?;
    Ok(())
}
