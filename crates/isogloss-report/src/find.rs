//! Run discovery: the recursive search for run folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::record::METRICS;

/// Returns every run folder at or below the paths, in order, each once.
///
/// A run folder is one that holds `metrics.jsonl`; folders inside a run are not searched.
/// Paths that do not exist hold no runs.
pub fn find_runs(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut runs = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        walk(path, &mut seen, &mut runs);
    }
    runs
}

fn walk(folder: &Path, seen: &mut BTreeSet<PathBuf>, runs: &mut Vec<PathBuf>) {
    // Canonical paths end the walk in folders whose links form a cycle.
    let is_new = fs::canonicalize(folder).is_ok_and(|real| seen.insert(real));
    if !is_new {
        return;
    }
    if folder.join(METRICS).is_file() {
        runs.push(folder.to_owned());
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut inner: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    inner.sort();
    for path in inner.iter().filter(|path| path.is_dir()) {
        walk(path, seen, runs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example_runs::run;

    #[test]
    fn runs_are_found_once_and_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b/seed-1", "a/seed-2", "a/seed-1", "a/seed-1/checkpoint"] {
            run(root.path(), name, "", "");
        }
        fs::create_dir(root.path().join("empty")).unwrap();
        let paths = [root.path().join("a/seed-2"), root.path().to_owned(), PathBuf::from("/no")];
        let found = find_runs(&paths);
        let expected = ["a/seed-2", "a/seed-1", "b/seed-1"].map(|name| root.path().join(name));
        assert_eq!(found, expected);
    }
}
