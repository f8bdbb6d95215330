//! Package check: every crate can be published with a complete manifest and all of its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::layout::sources;
use crate::{cargo, run};

/// Maximum number of keywords, and of categories, on a registry.
const MAX_WORDS: usize = 5;
const MAX_KEYWORD_LETTERS: usize = 20;

/// Packages every published crate without a network, and reports missing fields of its manifest and
/// files that its code includes from outside its folder.
///
/// Packages are not built: except for files from outside, clippy has built the same code.
pub(crate) fn package() -> Result<()> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata without packages")?;
    // An empty list of registries is `publish = false`.
    let (unpublished, published): (Vec<&Value>, Vec<&Value>) =
        packages.iter().partition(|package| package["publish"] == Value::Array(Vec::new()));

    let mut faults = Vec::new();
    for package in &published {
        let name = package["name"].as_str().unwrap_or_default();
        faults.extend(manifest_faults(package).map(|fault| format!("{name}: {fault}")));
        let manifest = package["manifest_path"].as_str().map(Path::new);
        let folder = manifest.and_then(Path::parent).context("a package lies in a folder")?;
        for file in sources(&folder.join("src"))? {
            let text = fs::read_to_string(&file)?;
            let outside = includes(&file, &text).filter(|path| !path.starts_with(folder));
            let fault = |path: PathBuf| format!("{}: includes {}", file.display(), path.display());
            faults.extend(outside.map(fault));
        }
    }
    ensure!(faults.is_empty(), "faults:\n{}", faults.join("\n"));

    let mut command = cargo("package --quiet --workspace --no-verify --allow-dirty --offline");
    for package in &unpublished {
        command.arg("--exclude").arg(package["name"].as_str().unwrap_or_default());
    }
    run(&mut command)?;
    check(target_folder(&metadata)?, &published, &unpublished)
}

/// Unpacks the packages into a workspace of their own and type-checks them there. Their dependencies
/// are those that clippy has checked, with the features that unpublished packages switch on.
fn check(target: &Path, published: &[&Value], unpublished: &[&Value]) -> Result<()> {
    let workspace = target.join("packages");
    if workspace.exists() {
        fs::remove_dir_all(&workspace)?;
    }
    fs::create_dir_all(&workspace)?;
    let mut patches = String::new();
    for package in published {
        let [name, version] = ["name", "version"].map(|field| package[field].as_str());
        let (name, version) = name.zip(version).context("a package has a name and a version")?;
        let file = target.join(format!("package/{name}-{version}.crate"));
        // With the times of now: those in a package are the same for every version of a file, and
        // cargo would take what it compiled of an earlier one.
        let mut tar = Command::new("tar");
        run(tar.arg("-xzmf").arg(file).arg("-C").arg(&workspace))?;
        patches += &format!("{name} = {{ path = \"{name}-{version}\" }}\n");
    }
    let folder = workspace.join("unpublished");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    fs::write(folder.join("Cargo.toml"), stand_in(unpublished))?;
    let root = fs::read_to_string("Cargo.toml")?;
    let profiles = root.find("[profile").map_or("", |at| &root[at..]);
    let manifest = format!(
        "[workspace]\nmembers = [\"*\"]\nresolver = \"3\"\n\n[patch.crates-io]\n{patches}\n{profiles}"
    );
    fs::write(workspace.join("Cargo.toml"), manifest)?;
    fs::copy("Cargo.lock", workspace.join("Cargo.lock"))?;
    // The features for which clippy has checked the dependencies.
    let features = "isogloss/ndarray,isogloss/vulkan";
    let mut command = cargo("check --quiet --release --workspace --offline --features");
    command.arg(features);
    run(command.current_dir(&workspace).env("CARGO_TARGET_DIR", target))
}

/// Manifest of a package with the dependencies of all unpublished ones. Without it, crates of which these
/// switch on more features would be checked anew, and all that depend on them.
fn stand_in(unpublished: &[&Value]) -> String {
    let mut dependencies = BTreeMap::<&str, (&str, bool, BTreeSet<&str>)>::new();
    let all = unpublished.iter().flat_map(|package| {
        let optional = optional_by_default(package);
        let all = package["dependencies"].as_array().into_iter().flatten();
        all.filter(move |of| of["optional"] == false || optional.contains(&of["name"].as_str()))
    });
    // Without those of the workspace, which have no source.
    for dependency in all.filter(|of| !of["source"].is_null() && of["target"].is_null()) {
        let text = |field: &str| dependency[field].as_str().unwrap_or_default();
        let (_, has_defaults, features) =
            dependencies.entry(text("name")).or_insert((text("req"), false, BTreeSet::new()));
        *has_defaults |= dependency["uses_default_features"] == true;
        features.extend(
            dependency["features"].as_array().into_iter().flatten().flat_map(Value::as_str),
        );
    }
    let lines = dependencies.iter().map(|(name, (version, has_defaults, features))| {
        let features: Vec<_> = features.iter().collect();
        format!(
            "{name} = {{ version = {version:?}, default-features = {has_defaults}, features = {features:?} }}\n"
        )
    });
    let package = "[package]\nname = \"unpublished\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    format!("{package}\n[dependencies]\n{}", lines.collect::<String>())
}

/// Optional dependencies that the default features of a package switch on.
fn optional_by_default(package: &Value) -> BTreeSet<Option<&str>> {
    let (mut found, mut open) = (BTreeSet::new(), vec!["default"]);
    while let Some(feature) = open.pop() {
        let parts = package["features"][feature].as_array().into_iter().flatten();
        for part in parts.filter_map(Value::as_str) {
            match part.strip_prefix("dep:") {
                Some(name) => _ = found.insert(Some(name)),
                None => open.push(part),
            }
        }
    }
    found
}

/// Installs the command from the packages of the step before, as `cargo install isogloss-cli` does
/// from a registry, and starts a project with it.
pub(crate) fn install() -> Result<()> {
    let metadata = metadata()?;
    let target = target_folder(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let version = packages
        .filter(|package| package["name"] == "isogloss-cli")
        .find_map(|package| package["version"].as_str())
        .context("isogloss-cli has a version")?;
    let root = target.join("installed");
    let mut command = cargo("install --quiet --offline --locked --force --path");
    command.arg(target.join(format!("packages/isogloss-cli-{version}")));
    run(command.arg("--root").arg(&root).env("CARGO_TARGET_DIR", target))?;
    let program = root.join(format!("bin/isogloss{}", std::env::consts::EXE_SUFFIX));
    run(Command::new(&program).arg("--version"))?;
    let project = target.join("installed-project");
    if project.exists() {
        fs::remove_dir_all(&project)?;
    }
    run(Command::new(&program).arg("new").arg(&project))
}

fn metadata() -> Result<Value> {
    let output = cargo("metadata --format-version 1 --no-deps --offline").output();
    let output = output.context("cannot start cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn target_folder(metadata: &Value) -> Result<&Path> {
    let target = metadata["target_directory"].as_str();
    Ok(Path::new(target.context("cargo names its target folder")?))
}

/// Faults of a manifest: missing fields, and those that a registry refuses.
fn manifest_faults(package: &Value) -> impl Iterator<Item = String> {
    let missing = ["description", "license", "readme"]
        .into_iter()
        .filter(|field| package[field].as_str().is_none_or(str::is_empty))
        .map(|field| format!("no {field}"));
    let counts = ["keywords", "categories"].into_iter().filter_map(|field| {
        let n_words = package[field].as_array().map_or(0, Vec::len);
        (!(1..=MAX_WORDS).contains(&n_words))
            .then(|| format!("{n_words} {field}, not 1 to {MAX_WORDS}"))
    });
    let keywords = package["keywords"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let unsuitable = keywords.filter(|keyword| {
        let mut letters = keyword.chars();
        let is_begin = letters.next().is_some_and(|letter| letter.is_ascii_alphanumeric());
        let are_more =
            letters.all(|letter| letter.is_ascii_alphanumeric() || "-_+".contains(letter));
        !is_begin || !are_more || keyword.len() > MAX_KEYWORD_LETTERS
    });
    missing.chain(counts).chain(unsuitable.map(|keyword| format!("{keyword:?} is no keyword")))
}

/// Files that a source file includes at compile time.
fn includes(file: &Path, text: &str) -> impl Iterator<Item = PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let calls = ["include_str!(\"", "include_bytes!(\""];
    let paths = calls.into_iter().flat_map(|call| text.split(call).skip(1));
    paths.filter_map(|rest| rest.split('"').next()).map(|path| {
        let mut whole = PathBuf::new();
        for part in folder.join(path).components() {
            match part {
                Component::ParentDir => {
                    whole.pop();
                }
                part => whole.push(part),
            }
        }
        whole
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_fault_of_a_manifest_is_named() {
        let faults = |package: Value| manifest_faults(&package).collect::<Vec<_>>();
        let whole = json!({"description": "A.", "license": "MIT", "readme": "README.md",
            "keywords": ["nlp", "fine-tuning"], "categories": ["science"]});
        assert!(faults(whole.clone()).is_empty());
        let mut lacking = whole;
        lacking["readme"] = Value::Null;
        lacking["keywords"] = json!(["two words", "a", "b", "c", "d", "e"]);
        lacking["categories"] = json!([]);
        let expected = [
            "no readme",
            "6 keywords, not 1 to 5",
            "0 categories, not 1 to 5",
            "\"two words\" is no keyword",
        ];
        assert_eq!(faults(lacking), expected);
    }

    #[test]
    fn included_files_are_found_where_they_lie() {
        let text = "const A: &str = include_str!(\"b.css\");
            const B: &[u8] = include_bytes!(\"../../c.bin\");";
        let found: Vec<_> = includes("/x/src/a.rs".as_ref(), text).collect();
        assert_eq!(found, [Path::new("/x/src/b.css"), Path::new("/c.bin")]);
    }
}
