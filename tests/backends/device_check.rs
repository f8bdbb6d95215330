//! The self-check of a device, on every device that is no reference: it passes, and measures.
//!
//! This is a test binary of its own, because launches are counted for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::{CheckEvent, DeviceReport, check_device};
use isogloss_tests::opened_devices;

#[test]
fn every_device_passes_its_check() {
    for device in opened_devices().into_iter().chain([flex_again()]) {
        let name = &device.info.name;
        let (mut begun, mut n_done) = (Vec::new(), 0);
        let report = check_device(&device, &mut |event| match event {
            CheckEvent::Begin(what) => begun.push(what.to_owned()),
            CheckEvent::Done(check) => {
                n_done += 1;
                eprintln!("{name}: {check:?}");
            }
        });
        let report = report.unwrap();
        assert_eq!(report.failed().count(), 0, "{name}");
        assert_eq!(n_done, report.checks.len());
        for check in &report.checks {
            assert!(begun.contains(&check.name), "{name}: {}", check.name);
            assert!(!check.deviations.is_empty(), "{name}: {}", check.name);
        }
        for of in ["linear", "attention", "layer norm", "GELU", "dropout", "cross-entropy"] {
            let is_checked =
                |prefix: &str| report.checks.iter().any(|c| c.name.starts_with(prefix));
            assert!(is_checked(of), "{name}: {of}");
        }
        assert_trained(&report);
        assert_measured(&report);
        if *name == AGAIN {
            assert_equal_in_all_precisions(&report);
        }
    }
}

/// Another name of flex, under which it is checked against itself.
const AGAIN: &str = "flex again";

fn flex_again() -> OpenDevice {
    let mut device = open(DeviceChoice::Flex).unwrap();
    device.info.name = AGAIN.into();
    device
}

/// A device that is the reference deviates nowhere; flex has both half precisions.
fn assert_equal_in_all_precisions(report: &DeviceReport) {
    for deviation in report.checks.iter().flat_map(|check| &check.deviations) {
        assert_eq!(deviation.relative, Some(0.0), "{deviation:?}");
    }
    assert_eq!(report.half_precisions, ["f16", "bf16"]);
    for half in &report.half_precisions {
        let is_of =
            |name: &str| name.starts_with("linear") && name.ends_with(&format!(" in {half}"));
        assert_eq!(report.checks.iter().filter(|check| is_of(&check.name)).count(), 2, "{half}");
    }
    let speed = report.speed.as_ref().unwrap();
    assert!(speed.half_precision_steps.keys().eq(["bf16", "f16"]), "{speed:?}");
    assert_eq!(isogloss_kernels::matmul_precision(), isogloss_kernels::Precision::F32);
}

/// Four steps of each objective, on both devices, and not the same of two objectives.
fn assert_trained(report: &DeviceReport) {
    let names: Vec<_> = report.training.keys().copied().collect();
    assert_eq!(names, ["InfoNCE", "consistency", "cross-entropy", "masked LM"]);
    let mut firsts = Vec::new();
    for (name, curves) in &report.training {
        for curve in curves {
            assert_eq!((curve.losses.len(), curve.gradient_norms.len()), (4, 4), "{name}");
            assert!(curve.gradient_norms.iter().all(|norm| *norm > 0.0), "{name}: {curve:?}");
        }
        let is_equal = curves[0] == curves[1];
        assert_eq!(is_equal, report.device.name == AGAIN, "{name}: a run is not its own reference");
        firsts.push(curves[1].losses[0]);
    }
    // Untrained guesses: of two labels, 85 tokens, and 8 sentences.
    for (loss, n) in [(firsts[2], 2.0_f64), (firsts[3], 85.0), (firsts[0], 8.0)] {
        assert!((loss - n.ln()).abs() < 0.5 * n.ln(), "{loss}, expected about ln {n}");
    }
    assert!(firsts[1] > firsts[2], "consistency adds to the cross-entropy: {firsts:?}");
}

fn assert_measured(report: &DeviceReport) {
    let (speed, device) = (report.speed.as_ref().unwrap(), &report.device);
    let step = &speed.step;
    assert!(speed.copy_bytes_per_sec > 0.0 && speed.optimizer_bytes_per_sec > 0.0, "{speed:?}");
    assert!(step.secs > 0.0 && step.flops > 0.0, "{speed:?}");
    let tokens = (step.batch_size * step.seq_len) as f64;
    assert!((step.tokens_per_sec * step.secs - tokens).abs() < 1e-6 * tokens, "{speed:?}");
    if device.api == "cpu" {
        assert_eq!(step.n_launches(), 0.0);
        assert!(report.limits.is_empty());
        return;
    }
    // The limit of a step of this size, as in the test of launches.
    assert!(step.n_launches() > 0.0 && step.n_launches() <= 250.0, "{step:?}");
    assert!(report.limits["max_workgroup_units"] >= 128, "{:?}", report.limits);
    // Parameters, gradients and two moments, in f32, of which gradients may be freed by now.
    let memory = speed.memory.unwrap();
    assert!(memory.bytes_in_use >= 12 * step.n_parameters as u64, "{speed:?}");
    assert!(memory.bytes_reserved >= memory.bytes_in_use, "{speed:?}");
}
