//! Commit that the command is built from, for `isogloss --version`: that of the repository, or the one
//! that `cargo package` writes into a package.

use std::fs;
use std::path::Path;
use std::process::Command;

const PACKAGE_INFO: &str = ".cargo_vcs_info.json";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let commit = packaged_commit().or_else(repository_commit).unwrap_or_default();
    println!("cargo:rustc-env=ISOGLOSS_COMMIT={commit}");
}

/// Reads the commit of a package, whose folder is in no repository of this project.
fn packaged_commit() -> Option<String> {
    println!("cargo:rerun-if-changed={PACKAGE_INFO}");
    let info = fs::read_to_string(PACKAGE_INFO).ok()?;
    let hash = info.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
    Some(hash.chars().take(9).collect())
}

/// Asks git for the commit of the repository, and watches for the next one.
fn repository_commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    // Vendored into another repository, the crate would name a commit of that one.
    let root = git(&["rev-parse", "--show-toplevel"])?;
    if !Path::new(&root).join("crates/isogloss-cli/build.rs").is_file() {
        return None;
    }
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=9", "HEAD"])
}
