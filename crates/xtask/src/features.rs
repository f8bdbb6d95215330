//! Check of Cargo feature unification: the examples and the command line are one build, without the
//! crates of a GPU.
//!
//! Cargo builds a crate again for each set of its features, and unifies the features of all
//! packages that it selects, development dependencies included where it builds an example.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// Builds that a newcomer starts, with the arguments of `cargo tree` that show them.
const BUILDS: [(&str, &str); 4] = [
    ("cargo run", "--edges normal,build"),
    ("cargo run --example NAME", "--edges normal,build,dev"),
    ("cargo run -p isogloss-cli", "--edges normal,build -p isogloss-cli"),
    ("cargo run -p isogloss-examples", "--edges normal,build -p isogloss-examples"),
];

/// Name prefixes of crates that a CPU build does not need. `cubecl-common`, `-environment` and
/// `-zspace` are parts of Burn itself.
const HEAVY: [&str; 9] = [
    "ash",
    "burn-cubecl",
    "burn-ndarray",
    "cubecl-core",
    "cubecl-runtime",
    "cubek",
    "naga",
    "ndarray",
    "wgpu",
];

/// Features of each crate of a build, by the crate's name and version.
type Features = BTreeMap<String, String>;

/// Fails if two of these builds compile a crate with different features, or one compiles a heavy
/// crate.
pub(crate) fn features() -> Result<()> {
    let builds = BUILDS.map(|(name, args)| Ok((name, tree(args)?)));
    let builds = builds.into_iter().collect::<Result<Vec<_>>>()?;
    let faults = faults(&builds);
    ensure!(faults.is_empty(), "faults:\n{}", faults.join("\n"));
    Ok(())
}

fn tree(args: &str) -> Result<Features> {
    let mut command = cargo("tree --locked --prefix none --format");
    let output = command.arg("{p}|{f}").args(args.split(' ')).output();
    let output = output.context("cannot start cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(read(&String::from_utf8(output.stdout)?))
}

/// Parses the lines `name version|features` of `cargo tree`. A repeated crate ends in ` (*)`; a
/// variant for build scripts has features of its own and is listed beside it.
fn read(text: &str) -> Features {
    let mut features = Features::new();
    for line in text.lines() {
        let line = line.strip_suffix(" (*)").unwrap_or(line);
        let Some((package, found)) = line.split_once('|') else { continue };
        let name = package.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let all = features.entry(name).or_default();
        if !all.split(" and ").any(|other| other == found) {
            all.push_str(if all.is_empty() { "" } else { " and " });
            all.push_str(found);
        }
    }
    features
}

fn faults(builds: &[(&str, Features)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, (name, features)) in builds.iter().enumerate() {
        let heavy =
            features.keys().filter(|package| HEAVY.iter().any(|of| package.starts_with(of)));
        faults.extend(heavy.map(|package| format!("`{name}` builds {package}")));
        for (other, others) in &builds[..at] {
            for (package, found) in features {
                let differs = others.get(package).filter(|others| *others != found);
                faults.extend(differs.map(|others| {
                    format!("{package}: `{name}` with {found}, `{other}` with {others}")
                }));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_features_and_heavy_crates_are_named() {
        let light = read("burn v1|std\nlibc v0.2|default\n\nburn v1|std (*)\n");
        assert_eq!(light["burn v1"], "std");
        assert!(faults(&[("a", light.clone()), ("b", light.clone())]).is_empty());
        let heavy = read("burn v1 (/x)|std,wgpu\nwgpu v2|\nwgpu-core v2|vulkan\n");
        let expected = [
            "`b` builds wgpu v2",
            "`b` builds wgpu-core v2",
            "burn v1: `b` with std,wgpu, `a` with std",
        ];
        assert_eq!(faults(&[("a", light), ("b", heavy)]), expected);
    }
}
