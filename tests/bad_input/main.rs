//! Bad input: each case damages something, checks that the error message names it (a file and line,
//! or a tensor), and that what was saved before can still be used.
//!
//! A case that cannot be produced on a machine is skipped with a note.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapters;
mod any_bytes;
mod counted;
mod damage;
mod data;
mod disk;
mod folders;
mod job;
mod layouts;
mod lm_heads;
mod memory;
mod methods;
mod numbers;
mod pairs;
mod recipes;
mod resumed;
mod schema;
mod treebanks;
mod weights;

use std::fmt::Display;
use std::fs;
use std::path::Path;

use isogloss_tests::{copy_folder, fixtures};
use tempfile::TempDir;

/// Fails unless there is an error whose message has all these parts.
#[track_caller]
fn assert_refused<T, E: Display>(case: &str, result: Result<T, E>, parts: &[&str]) {
    let Err(error) = result else { panic!("{case}: no error") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{case}: no {part:?} in {message:?}");
    }
}

/// Temporary copy of a fixture's folder.
fn copy_of(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixtures().join(name), folder.path());
    folder
}

/// Truncates a file to its first bytes.
fn truncate(path: &Path, len: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..len]).unwrap();
}

/// Replaces the only occurrence of `from` in a file by a text of the same length.
fn replace_bytes(path: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len(), "positions must stay");
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<_> =
        bytes.windows(from.len()).enumerate().filter(|(_, b)| *b == from.as_bytes()).collect();
    let [(at, _)] = places[..] else { panic!("{} places with {from:?}", places.len()) };
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    fs::write(path, bytes).unwrap();
}
