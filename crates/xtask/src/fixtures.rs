//! Test fixtures: runs the scripts that make them, each with the packages that its PEP 723 header
//! pins.
//!
//! A script writes to the folder above its own. One with the option `--corpora` needs the folder
//! that `examples/corpora/prepare.py` makes, and is skipped without it. A file without a header is
//! not a script: it is the module that the scripts share.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{run, target_folder};

const FIXTURES: &str = "tests/fixtures";
const CORPORA: &str = "corpora";
/// First line of a script's PEP 723 header.
const HEADER: &str = "# /// script\n";

/// Makes the fixtures of the named scripts again, or all.
pub(crate) fn make(names: &[&str]) -> Result<()> {
    run_scripts(Path::new(FIXTURES), names)
}

/// Makes the fixtures in another folder, and compares them byte by byte with those of the
/// repository.
///
/// They hold the version of Python and the last bits of sums, so compare on a machine like the
/// one that made them.
pub(crate) fn check(names: &[&str]) -> Result<()> {
    let copy = target_folder().join("fixtures");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir_all(copy.join("make"))?;
    for script in files(&Path::new(FIXTURES).join("make"))? {
        fs::copy(Path::new(FIXTURES).join("make").join(&script), copy.join("make").join(&script))?;
    }
    run_scripts(&copy, names)?;

    let mut differing = Vec::new();
    for file in files(&copy)? {
        let here = fs::read(Path::new(FIXTURES).join(&file)).unwrap_or_default();
        if here != fs::read(copy.join(&file))? {
            differing.push(file.display().to_string());
        }
    }
    ensure!(differing.is_empty(), "made anew, these differ:\n{}", differing.join("\n"));
    Ok(())
}

/// Runs the scripts in `make` below `fixtures`, one after the other in one environment.
fn run_scripts(fixtures: &Path, names: &[&str]) -> Result<()> {
    let python = python()?;
    let mut unknown: BTreeSet<&str> = names.iter().copied().collect();
    for file in files(&fixtures.join("make"))? {
        let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let path = fixtures.join("make").join(&file);
        let source = fs::read_to_string(&path)?;
        if !source.contains(HEADER) || !names.is_empty() && !unknown.remove(name) {
            continue;
        }
        let mut script = Command::new(&python);
        script.arg(&path);
        if source.contains("\"--corpora\"") {
            if !Path::new(CORPORA).exists() {
                println!("==> {name}: skipped, needs {CORPORA}/ (see examples/corpora/README.md)");
                continue;
            }
            script.args(["--corpora", CORPORA]);
        }
        println!("==> {name}");
        let packages = dependencies(&source)
            .with_context(|| format!("{}: no PEP 723 dependencies", path.display()))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
        run(&mut script)?;
    }
    ensure!(unknown.is_empty(), "no such script in {FIXTURES}/make: {unknown:?}");
    Ok(())
}

/// Python interpreter of the virtual environment in the target folder, which is made if it is
/// missing.
fn python() -> Result<PathBuf> {
    let (system, inside) =
        if cfg!(windows) { ("python", "Scripts/python.exe") } else { ("python3", "bin/python") };
    let folder = absolute(target_folder().join("fixtures-venv"))?;
    let python = folder.join(inside);
    if !python.exists() {
        run(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
    }
    Ok(python)
}

/// Dependencies in a script's header, where `dependencies` is the last key.
fn dependencies(source: &str) -> Option<Vec<&str>> {
    let (_, header) = source.split_once(HEADER)?;
    let (header, _) = header.split_once("# ///\n")?;
    let (_, list) = header.split_once("dependencies = [")?;
    Some(list.split('"').skip(1).step_by(2).collect())
}

/// Files below a folder, as sorted relative paths, without Python's cache.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if !entry.file_type()?.is_dir() {
            found.insert(name);
        } else if name != Path::new("__pycache__") {
            found.extend(files(&entry.path())?.into_iter().map(|file| name.join(file)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_one_line_and_from_many() {
        let header = |list: &str| {
            let python = "# requires-python = \">=3.11\"";
            format!("# /// script\n{python}\n# dependencies = [{list}]\n# ///\n\"A script.\"\n")
        };
        let one = header("\"a==1\", \"b[c]==2\"");
        assert_eq!(dependencies(&one), Some(vec!["a==1", "b[c]==2"]));
        let many = header("\n#     \"a==1\",\n#     \"b==2\",\n# ");
        assert_eq!(dependencies(&many), Some(vec!["a==1", "b==2"]));
        assert_eq!(dependencies("\"\"\"No header.\"\"\"\n"), None);
    }
}
