//! Build of the web page that runs models in a browser, with a server and tests.
//!
//! `web/dist` is made of the files of `web`, the WebAssembly modules for the CPU and for WebGPU,
//! the two models of the quickstart in 8 bits, and the commands of sixteen languages;
//! `web/dist/pkg` is a package for npm too.

mod dist;
mod package;
mod server;
mod tests;
mod toolchain;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;

use crate::{cargo, run, target_folder};
use toolchain::Toolchain;

/// Output folder of the page, as it is served.
pub(crate) const DIST: &str = "web/dist";

const USAGE: &str = "usage: cargo xtask web [--cpu] [--serve [PORT]] [--test]

  --cpu           without the module for WebGPU, which takes most of the time
  --serve [PORT]  then serves the page on 127.0.0.1, at port 8080 unless another is given
  --test          then tests it in Chromium";

pub(crate) fn web(args: &[&str]) -> Result<()> {
    let (only_cpu, args) = match args {
        ["--cpu", args @ ..] => (true, args),
        args => (false, args),
    };
    match args {
        [] => build(only_cpu),
        ["--serve"] => build(only_cpu).and_then(|()| server::serve(8080)),
        ["--serve", port] => {
            let port = port.parse().with_context(|| format!("{port} is no port"))?;
            build(only_cpu).and_then(|()| server::serve(port))
        }
        ["--test"] => build(only_cpu).and_then(|()| tests::run_tests(only_cpu)),
        _ => bail!(USAGE),
    }
}

fn build(only_cpu: bool) -> Result<()> {
    let models = models()?;
    dist::clear()?;
    let toolchain = Toolchain::find()?;
    module(&toolchain, "cpu", "")?;
    if !only_cpu {
        module(&toolchain, "gpu", "webgpu")?;
    }
    package::write()?;
    dist::fill(&models)?;
    dist::write_manifest(&models)?;
    dist::print_sizes()
}

/// Builds one WebAssembly module with its JavaScript bindings.
fn module(toolchain: &Toolchain, name: &str, features: &str) -> Result<()> {
    let folder = target_folder().join("web");
    let mut build = cargo("build --profile web --package isogloss-wasm --target");
    build.args([toolchain::TARGET, "--features", features]).env("CARGO_TARGET_DIR", &folder);
    toolchain.prepare(&mut build);
    run(&mut build)?;
    let wasm = folder.join(toolchain::TARGET).join("web/isogloss_wasm.wasm");
    let mut bindgen = Bindgen::new();
    let bindgen = bindgen.input_path(wasm).out_name("isogloss").web(true)?;
    bindgen.typescript(true).remove_name_section(true).remove_producers_section(true);
    bindgen.generate(Path::new(DIST).join("pkg").join(name))
}

/// Model that the page offers.
struct OfferedModel {
    name: &'static str,
    title: &'static str,
    folder: PathBuf,
}

/// Models of the quickstart, trained if they are missing.
fn models() -> Result<[OfferedModel; 2]> {
    let runs = std::path::absolute(target_folder().join("quickstart"))?;
    let names = [("plain", "plain fine-tuning"), ("regularized", "regularised fine-tuning")];
    let best = |name: &str| runs.join(name).join("best");
    if names.iter().any(|(name, _)| !best(name).exists()) {
        let mut quickstart =
            cargo("run --release --package isogloss-examples --example quickstart");
        run(quickstart.arg("--").arg("--out").arg(&runs))?;
    }
    let models = names.map(|(name, title)| {
        let folder = runs.join(format!("{name}-int8"));
        OfferedModel { name, title, folder }
    });
    for model in &models {
        if !model.folder.exists() {
            let mut compress = isogloss("compress");
            compress.arg(best(model.name)).args(["--storage", "int8", "--out"]);
            run(compress.arg(&model.folder))?;
        }
        ensure!(model.folder.exists(), "{} was not made", model.folder.display());
    }
    Ok(models)
}

/// The command line tool, with a subcommand.
fn isogloss(subcommand: &str) -> std::process::Command {
    let mut command = cargo("run --release --quiet --package isogloss-cli --bin isogloss --");
    command.arg(subcommand);
    command
}
