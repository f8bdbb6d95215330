//! Repository lints that no compiler has: files, their first lines, the glossary, links, the
//! documentation site's pages, and up-to-date fixtures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{book, glossary, layout, links};

const MAX_BYTES: u64 = 2 << 20;
/// Shipped model with its maximum size in bytes: the one that comes with the repository, which a
/// page and a first run have to load.
const SHIPPED_MODEL: (&str, u64) = ("examples/isogloss-tiny", 8_000_000);
const SOURCES: [&str; 8] = ["css", "html", "js", "mjs", "py", "rs", "toml", "yml"];
/// Refused file names, which do not describe the content.
const EMPTY_NAMES: [&str; 9] =
    ["base", "common", "helper", "helpers", "manager", "misc", "mod", "util", "utils"];
/// Path of the glossary, which contains the words that it refuses.
const GLOSSARY: &str = "crates/xtask/src/glossary.rs";
/// Shared module of the scripts that make fixtures.
const SHARED_MODULE: &str = "fixture.py";
/// Concatenated here so that this file keeps its own rule.
const TO_DO: &str = concat!("TO", "DO");

/// Checks all tracked and new files, and reports all faults at once.
pub(crate) fn tidy() -> Result<()> {
    let files = files()?;
    let mut faults = Vec::new();
    for path in &files {
        let shown = path.display();
        let size = fs::metadata(path)?.len();
        let is_shipped = path.starts_with(SHIPPED_MODEL.0);
        let max_bytes = if is_shipped { SHIPPED_MODEL.1 } else { MAX_BYTES };
        if size > max_bytes {
            faults.push(format!("{shown}: {size} bytes, more than {max_bytes}"));
        } else if path.starts_with("tests/fixtures") && is(path, &["json", "safetensors"]) {
            faults.extend(fixture_fault(path)?.map(|fault| format!("{shown}: {fault}")));
        } else if is(path, &SOURCES) {
            let text = fs::read_to_string(path).with_context(|| shown.to_string())?;
            faults.extend(source_faults(path, &text).map(|fault| format!("{shown}: {fault}")));
            if is(path, &["rs"]) && path != Path::new(GLOSSARY) {
                faults.extend(glossary::faults(path, &text)?);
            }
        } else if is(path, &["md"]) {
            let text = fs::read_to_string(path)?;
            faults.extend(links::faults(path, &text));
            faults.extend(glossary::prose_faults(path, &text));
        }
    }
    if !files.iter().any(|path| path.starts_with("examples/recipes") && is(path, &["toml"])) {
        faults.push("examples/recipes: no recipe".into());
    }
    faults.extend(book::faults(&files)?);
    faults.extend(layout::faults()?);
    ensure!(faults.is_empty(), "faults:\n{}", faults.join("\n"));
    Ok(())
}

/// Tracked and new files, without what `.gitignore` names.
fn files() -> Result<Vec<PathBuf>> {
    // The clone may belong to another user than the one who checks it.
    let list = ["-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"];
    let output = Command::new("git").args(list).output().context("cannot start git")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout)?;
    // Deleted files that are not yet staged are still listed.
    Ok(names.split_terminator('\0').map(PathBuf::from).filter(|path| path.is_file()).collect())
}

fn is(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
}

fn source_faults(path: &Path, text: &str) -> impl Iterator<Item = String> {
    let stem = path.file_stem().unwrap_or_default();
    let empty = EMPTY_NAMES.iter().any(|name| stem == *name);
    let undocumented = is(path, &["rs"]) && !text.starts_with("//!");
    let unnumbered = text.lines().position(has_unnumbered_to_do);
    [
        empty.then(|| "a name that says what is inside, please".to_owned()),
        undocumented.then(|| "the first line must be a //! comment".to_owned()),
        unnumbered
            .map(|line| format!("line {}: {TO_DO} without the #number of an issue", line + 1)),
    ]
    .into_iter()
    .flatten()
}

fn has_unnumbered_to_do(line: &str) -> bool {
    line.split_once(TO_DO).is_some_and(|(_, rest)| {
        !rest.split('#').skip(1).any(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// Stale fixture check: compares the script hash in a fixture with the hash of the script.
///
/// The hash covers the module that scripts share too. Both kinds of fixture hold it as JSON text,
/// safetensors in the header.
fn fixture_fault(path: &Path) -> Result<Option<String>> {
    let bytes = fs::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let (Some(script), Some(hash)) =
        (json_string(&text, "script"), json_string(&text, "script_sha256"))
    else {
        // Models, configurations and tokenizers are made beside a fixture that has the hash.
        let expected =
            is(path, &["safetensors"]) && path.parent() == Some("tests/fixtures".as_ref());
        return Ok(expected.then(|| "no script and script_sha256 in its metadata".into()));
    };
    let mut fresh = Sha256::new();
    for source in [Path::new(script), &Path::new(script).with_file_name(SHARED_MODULE)] {
        let missing = || format!("{}: {}", path.display(), source.display());
        fresh.update(fs::read(source).with_context(missing)?);
    }
    let is_fresh = format!("{:x}", fresh.finalize()) == hash;
    Ok((!is_fresh).then(|| {
        format!("{script} or {SHARED_MODULE} has changed since; run `cargo xtask fixtures`")
    }))
}

/// The value of the first `"key": "value"`, for values without escapes.
fn json_string<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{key}\":"))?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_to_do_needs_the_number_of_an_issue() {
        assert!(has_unnumbered_to_do(&format!("# {TO_DO}: later")));
        assert!(has_unnumbered_to_do(&format!("// {TO_DO} #later")));
        assert!(!has_unnumbered_to_do(&format!("// {TO_DO}(#12): later")));
        assert!(!has_unnumbered_to_do("nothing to do"));
    }

    #[test]
    fn each_fault_of_a_source_is_named() {
        let faults = |path: &str, text: &str| source_faults(Path::new(path), text).count();
        assert_eq!(faults("src/utils.rs", &format!("fn f() {{}} // {TO_DO}")), 3);
        assert_eq!(faults("src/loss.rs", "//! A loss.\n"), 0);
        assert_eq!(faults("web/worker.js", "// A worker.\n"), 0);
    }

    #[test]
    fn strings_are_found_in_compact_and_in_indented_json() {
        let header = r#"{"__metadata__":{"script":"a.py","script_sha256":"12"}}"#;
        assert_eq!(json_string(header, "script"), Some("a.py"));
        assert_eq!(json_string(header, "script_sha256"), Some("12"));
        assert_eq!(json_string("{\n \"script\": \"b.py\"\n}", "script"), Some("b.py"));
        assert_eq!(json_string(r#"{"script": 3}"#, "script"), None);
    }
}
