//! Generated documentation: `docs/methods.md` and the JSON schema of recipes, from `isogloss
//! recipe`.
//!
//! A test of `isogloss-cli` checks that they are up to date, as it needs no other build.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// Generated files, and the flags that print them.
const PAGES: [(&str, &str); 2] =
    [("docs/methods.md", "--methods-page"), ("docs/recipe.schema.json", "--schema")];

/// Writes both files.
pub(crate) fn methods() -> Result<()> {
    fs::create_dir_all("docs").context("docs")?;
    for (path, flag) in PAGES {
        let mut command = cargo("run --release --quiet --package isogloss-cli -- recipe");
        let output = command.arg(flag).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot start {command:?}"))?;
        ensure!(output.status.success(), "{command:?}: {}", output.status);
        fs::write(path, output.stdout).context(path)?;
    }
    Ok(())
}
