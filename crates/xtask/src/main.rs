//! The project's own tasks, run as `cargo xtask <task>`.
#![expect(clippy::print_stdout, reason = "a command line tool prints")]

mod book;
mod features;
mod fixtures;
mod glossary;
mod gpu;
mod layout;
mod links;
mod methods;
mod package;
mod tidy;
#[cfg(feature = "web")]
mod web;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

const USAGE: &str = "usage: cargo xtask <task>

  check [--fast]              format, tidy, features, clippy, package, docs, tests, lavapipe, install;
                              --fast ends before docs
  test [ARGS]                 the tests, on a software GPU where there is one; ARGS go to cargo test
  fixtures [--check] [NAMES]  run tests/fixtures/make/*.py, or only those named;
                              --check compares instead of writing
  tidy                        files, their first lines, the glossary, links, pages, layout, fixtures
  features                    that the examples and the command line are one build, without GPU crates
  book                        the documentation site, by mdbook, into the target folder
  layout                      import circles among modules, long functions, long files
  package                     each published crate packed, and its package compiled
  install                     the command installed from its package, after package
  methods                     docs/methods.md and docs/recipe.schema.json from the registry of methods;
                              a test of isogloss-cli compares them
  web [ARGS]                  the page that runs models in a browser, into web/dist; --help says more";

/// Check step: a name and a function; a step that fails ends the check.
type Step = (&'static str, fn() -> Result<()>);

/// Fast steps, the cheapest first.
const FAST: [Step; 5] = [
    ("format", format),
    ("tidy", tidy::tidy),
    ("features", features::features),
    ("clippy", clippy),
    ("package", package::package),
];
const SLOW: [Step; 4] = [
    ("docs", docs),
    ("tests", || test(&[])),
    ("lavapipe", lavapipe),
    ("install", package::install),
];

fn main() -> ExitCode {
    match task() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace of RUST_BACKTRACE, which is meant for tests.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task() -> Result<()> {
    env::set_current_dir(root()?)?;
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["check"] => check(FAST.iter().chain(&SLOW)),
        ["check", "--fast"] => check(&FAST),
        ["test", args @ ..] => test(args),
        ["fixtures", "--check", names @ ..] => fixtures::check(names),
        ["fixtures", names @ ..] => fixtures::make(names),
        ["tidy"] => tidy::tidy(),
        ["features"] => features::features(),
        ["book"] => book::book(),
        ["layout"] => layout::layout(),
        ["package"] => package::package(),
        ["install"] => package::install(),
        ["methods"] => methods::methods(),
        #[cfg(feature = "web")]
        ["web", args @ ..] => web::web(args),
        // The dependencies of this task take long to build, and no other task needs them.
        #[cfg(not(feature = "web"))]
        ["web", args @ ..] => {
            run(cargo("run --release --package xtask --features web -- web").args(args))
        }
        _ => bail!(USAGE),
    }
}

/// Runs the steps in order, prints the name of each, and a table of their times at the end.
fn check<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Result<()> {
    let mut times = Vec::new();
    for (name, step) in steps {
        println!("==> {name}");
        let start = Instant::now();
        step().with_context(|| format!("step {name} failed"))?;
        times.push((name, start.elapsed().as_secs_f64()));
    }
    println!("==> seconds by step");
    for (name, seconds) in &times {
        println!("    {name:<10}{seconds:>8.1}");
    }
    println!("    {:<10}{:>8.1}", "all", times.iter().map(|(_, seconds)| seconds).sum::<f64>());
    Ok(())
}

fn format() -> Result<()> {
    run(&mut cargo("fmt --all --check"))
}

/// Clippy with the feature `vulkan`, which tests cannot have: no software driver takes the SPIR-V
/// of CubeCL 0.11.3.
fn clippy() -> Result<()> {
    let features = "--all-targets --features isogloss/vulkan";
    run(&mut cargo(&format!("clippy --release --workspace {features} -- -D warnings")))
}

/// Documentation with the features for which clippy has checked the dependencies.
fn docs() -> Result<()> {
    let mut doc = cargo("doc --release --workspace --no-deps --features isogloss/vulkan");
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn test(args: &[&str]) -> Result<()> {
    let mut test = cargo("test --release --workspace");
    gpu::prepare(&mut test)?;
    run(test.args(args))
}

/// The tests of single kernels on a second software driver.
fn lavapipe() -> Result<()> {
    let mut test = cargo("test --release --workspace --test backends");
    if gpu::prepare_lavapipe(&mut test)? {
        run(test.arg("kernels::"))?;
    }
    Ok(())
}

/// The `cargo` that runs this task, with arguments separated by spaces.
fn cargo(args: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args.split(' '));
    command
}

/// Runs a command; a failure is an error that shows the command.
fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// Workspace root, read at run time because clones may share a target folder.
fn root() -> Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&package).ancestors().nth(2);
    Ok(root.context("xtask lies in crates/xtask")?.to_owned())
}

/// Cargo's target folder, where these tasks write their files too.
fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}
