//! `web/dist`: the folder that is served.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{DIST, OfferedModel};

const COMMANDS: &str = "examples/data/commands";

/// Entries of `web` that are not part of the page.
const NOT_SERVED: [&str; 8] = [
    "bench",
    "dist",
    "jsconfig.json",
    "node_modules",
    "package-lock.json",
    "package.json",
    "README.md",
    "tests",
];

/// The files of a model that the page needs.
const MODEL_FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// The files that set its tokenizer, where a model has them.
const TOKENIZER_FILES: [&str; 3] =
    ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

pub(super) fn clear() -> Result<()> {
    if Path::new(DIST).exists() {
        fs::remove_dir_all(DIST)?;
    }
    Ok(fs::create_dir_all(DIST)?)
}

/// Copies everything but the WebAssembly modules.
pub(super) fn fill(models: &[OfferedModel]) -> Result<()> {
    let dist = Path::new(DIST);
    for entry in fs::read_dir("web")? {
        let entry = entry?;
        if !NOT_SERVED.contains(&entry.file_name().to_string_lossy().as_ref()) {
            copy(&entry.path(), &dist.join(entry.file_name()))?;
        }
    }
    for model in models {
        let folder = dist.join("models").join(model.name);
        fs::create_dir_all(&folder)?;
        for name in MODEL_FILES {
            copy(&model.folder.join(name), &folder.join(name))?;
        }
        for name in TOKENIZER_FILES.iter().filter(|name| model.folder.join(name).exists()) {
            copy(&model.folder.join(name), &folder.join(name))?;
        }
    }
    copy(COMMANDS.as_ref(), &dist.join("data/commands"))?;
    for licence in ["NOTICE", "LICENSE-APACHE", "LICENSE-MIT"] {
        copy(licence.as_ref(), &dist.join(licence))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("cannot copy {} to {}", from.display(), to.display());
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from).with_context(context)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    fs::copy(from, to).with_context(context)?;
    Ok(())
}

/// Writes the manifest: what the page loads, with sizes, and a hash of every file for the offline
/// cache.
pub(super) fn write_manifest(models: &[OfferedModel]) -> Result<()> {
    let dist = Path::new(DIST);
    let size = |path: PathBuf| fs::metadata(path).map(|file| file.len()).ok();
    let model = |model: &OfferedModel| -> Value {
        let folder = dist.join("models").join(model.name);
        let file = |name| json!({ "name": name, "bytes": size(folder.join(name)) });
        let others = TOKENIZER_FILES.into_iter().filter(|name| folder.join(name).exists());
        let files: Vec<Value> = MODEL_FILES.into_iter().chain(others).map(file).collect();
        json!({ "name": model.name, "title": model.title, "files": files })
    };
    let module =
        |name| json!({ "bytes": size(dist.join("pkg").join(name).join("isogloss_bg.wasm")) });
    let mut languages: Vec<String> = files(&dist.join("data/commands"))?
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    languages.sort_unstable();
    let hashes = files(dist)?.into_iter().filter(|path| is_loaded(path)).map(|path| {
        let name = path.strip_prefix(dist)?.to_string_lossy().into_owned();
        let hash = format!("{:x}", Sha256::digest(fs::read(&path)?));
        Ok(json!({ "path": name, "hash": hash }))
    });
    let manifest = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "source": "en",
        "languages": languages,
        "models": models.iter().map(model).collect::<Vec<_>>(),
        "modules": { "cpu": module("cpu"), "gpu": module("gpu") },
        "files": hashes.collect::<Result<Vec<_>>>()?,
    });
    fs::write(dist.join("manifest.json"), serde_json::to_string_pretty(&manifest)?)?;
    Ok(())
}

/// Whether the page loads a file; of the npm package it loads only the modules.
fn is_loaded(path: &Path) -> bool {
    let in_package = path.starts_with(Path::new(DIST).join("pkg"));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !in_package || matches!(extension, Some("js" | "wasm"))
}

/// All files in a folder and below it, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn print_sizes() -> Result<()> {
    let dist = Path::new(DIST);
    let (mut modules, mut page, mut models) = (Vec::new(), Vec::new(), Vec::new());
    for path in files(dist)? {
        let name = path.strip_prefix(dist)?;
        if name.extension().is_some_and(|extension| extension == "wasm") {
            modules.push(path);
        } else if name.starts_with("models") {
            models.push(path);
        } else if name.components().count() == 1 || name.starts_with("src") {
            page.push(path);
        }
    }
    println!("\n{:<34}{:>9}{:>9}{:>9}", "MB", "plain", "gzip", "brotli");
    for module in &modules {
        print_size(&module.strip_prefix(dist)?.to_string_lossy(), std::slice::from_ref(module))?;
    }
    print_size("the page without modules and data", &page)?;
    print_size("both models", &models)
}

fn print_size(name: &str, paths: &[PathBuf]) -> Result<()> {
    let (mut plain, mut gzip, mut brotli) = (0, 0, 0);
    for path in paths {
        let bytes = fs::read(path)?;
        plain += bytes.len();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        gzip += encoder.finish()?.len();
        let params = BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
        let mut encoder = CompressorWriter::with_params(Vec::new(), 1 << 16, &params);
        encoder.write_all(&bytes)?;
        brotli += encoder.into_inner().len();
    }
    let megabytes = |n_bytes: usize| n_bytes as f64 / 1e6;
    let [plain, gzip, brotli] = [plain, gzip, brotli].map(megabytes);
    println!("{name:<34}{plain:>9.2}{gzip:>9.2}{brotli:>9.2}");
    Ok(())
}
