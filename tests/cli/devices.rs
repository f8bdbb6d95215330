//! `isogloss devices --check`: its refusals, and its file on a device that is no GPU.

use std::fs;

use serde_json::Value;

use crate::{folder, isogloss};

/// Errors of a command that fails with this exit code.
fn fails_with(code: i32, args: &str) -> String {
    let folder = folder();
    let output = isogloss(folder.path(), args);
    assert_eq!(output.status.code(), Some(code), "{args}");
    assert!(!folder.path().join("isogloss-check.json").exists(), "{args}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_cpu_is_not_checked_against_itself() {
    let error = fails_with(1, "devices --check --device flex");
    let begin = "error: flex, the CPU, is what devices are compared with; ";
    assert!(error.starts_with(begin), "{error}");
}

#[test]
fn an_unknown_device_is_named() {
    let error = fails_with(2, "devices --check --device tpu");
    assert!(error.contains("unknown device \"tpu\""), "{error}");
}

#[test]
fn flags_of_the_check_need_it() {
    for flags in ["--device wgpu", "--out check.json"] {
        let error = fails_with(2, &format!("devices {flags}"));
        assert!(error.contains("--check"), "{error}");
    }
}

#[test]
fn the_folder_of_the_file_is_looked_for_first() {
    let error = fails_with(1, "devices --check --out none/check.json");
    assert_eq!(error, "error: --out none/check.json: there is no folder none\n");
}

#[test]
fn a_check_that_passes_writes_its_file() {
    let folder = folder();
    let listed = isogloss(folder.path(), "devices --json");
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    if !listed.as_array().unwrap().iter().any(|device| device["name"] == "ndarray") {
        eprintln!("built without ndarray: the check of a device is left out");
        return;
    }
    let output = isogloss(folder.path(), "devices --check --device ndarray --out check.json");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let file: Value =
        serde_json::from_slice(&fs::read(folder.path().join("check.json")).unwrap()).unwrap();
    let checks = file["checks"].as_array().unwrap();
    let verdict = file["verdict"].as_str().unwrap();
    assert!(verdict.starts_with(&format!("all {} checks pass; ", checks.len())), "{verdict}");
    assert!(text.contains(verdict), "{text}");
    for check in checks {
        let name = check["name"].as_str().unwrap();
        assert!(text.lines().any(|line| line.starts_with(name) && line.contains(" ok ")), "{text}");
    }
    assert_eq!(file["device"]["name"], "ndarray");
    assert!(file["speed"]["step"]["tokens_per_sec"].as_f64().unwrap() > 0.0);
}
