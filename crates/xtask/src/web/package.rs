//! npm package of the WebAssembly modules.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::DIST;

/// Files of the package besides the modules, with their paths in the repository.
const TEXTS: [(&str, &str); 3] = [
    ("README.md", "crates/isogloss-wasm/README.md"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
];

/// Writes `package.json` and these files beside the modules.
pub(super) fn write() -> Result<()> {
    let folder = Path::new(DIST).join("pkg");
    let mut exports = json!({ "./package.json": "./package.json" });
    for (module, name) in [("cpu", "."), ("gpu", "./webgpu")] {
        if folder.join(module).exists() {
            let file = |name: &str| format!("./{module}/isogloss{name}");
            exports[name] = json!({ "types": file(".d.ts"), "default": file(".js") });
            exports[format!("{name}/isogloss_bg.wasm")] = json!(file("_bg.wasm"));
        }
    }
    let package = json!({
        "name": "isogloss",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Labels, vectors and word links of multilingual text encoders, in WebAssembly",
        "license": "MIT OR Apache-2.0",
        "type": "module",
        "types": "./cpu/isogloss.d.ts",
        "exports": exports,
        "files": ["cpu", "gpu", "LICENSE-*"],
    });
    fs::write(folder.join("package.json"), serde_json::to_string_pretty(&package)?)?;
    for (name, source) in TEXTS {
        fs::copy(source, folder.join(name))?;
    }
    Ok(())
}
