//! `isogloss devices --check`: self-check of a device against the CPU, with its speed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use isogloss::device::DeviceInfo;
use isogloss::{Check, CheckEvent, DeviceReport, DeviceSpeed, check_device};
use serde_json::{Value, json};

use crate::args::{DevicesArgs, open_device};
use crate::commands::End;
use crate::version::VERSION;
use crate::wording::device_properties;

pub(super) fn run(args: &DevicesArgs) -> anyhow::Result<End> {
    check_folder(&args.out)?;
    let device = open_device(args.device.unwrap_or_default())?;
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(200));
    let mut has_begun = false;
    let mut so_far = Vec::new();
    let report = check_device(&device, &mut |event| match event {
        CheckEvent::Begin(what) => {
            if !has_begun && !args.json {
                println!("device    {} {}", device.info.name, device_properties(&device.info));
                println!("isogloss  {}", VERSION.as_str());
                println!("\n{}", row("check", "deviation", "limit", "", "where largest"));
            }
            has_begun = true;
            progress.set_message(format!("{what}: kernels are compiled and tuned at first use"));
        }
        CheckEvent::Done(check) => {
            if !args.json {
                progress.suspend(|| println!("{}", check_row(check)));
            }
            so_far.push(check.clone());
            // A driver that takes the process down leaves the checks before it. The whole report,
            // which is written in the end, says if the file cannot be written.
            _ = write(&args.out, &format!("{:#}", unfinished(&device.info, &so_far)));
        }
    })?;
    progress.finish_and_clear();
    let verdict = verdict(&report);
    let json = serde_json::to_string_pretty(&contents(&report, &verdict)?)?;
    if args.json {
        println!("{json}");
    } else {
        report.speed.iter().for_each(|speed| println!("\n{}", speed_lines(speed).join("\n")));
        if device.info.is_software {
            println!("\nThe device is emulated in software: its speed says nothing about a GPU.");
        }
    }
    write(&args.out, &json)?;
    let told = format!("{}: the report, to attach to a bug report", args.out.display());
    if report.failed().next().is_some() {
        eprintln!("{told}");
        bail!("{verdict}");
    }
    match args.json {
        true => eprintln!("{told}"),
        false => println!("\n{verdict}\n{told}"),
    }
    Ok(End::Done)
}

/// Contents of the file: version with commit and backends, verdict and report.
fn contents(report: &DeviceReport, verdict: &str) -> anyhow::Result<Value> {
    let mut file = json!({ "version": VERSION.as_str(), "verdict": verdict });
    if let (Some(file), Value::Object(report)) =
        (file.as_object_mut(), serde_json::to_value(report)?)
    {
        file.extend(report);
    }
    Ok(file)
}

/// Contents of the file while checks are still to come.
fn unfinished(device: &DeviceInfo, checks: &[Check]) -> Value {
    let (n, n_failed) = (checks.len(), checks.iter().filter(|check| !check.passes).count());
    let verdict = format!("not finished: {n_failed} of the first {n} checks fail");
    json!({ "version": VERSION.as_str(), "verdict": verdict, "device": device, "checks": checks })
}

/// Fails if the folder of the file is not there, before a check that takes minutes.
fn check_folder(path: &Path) -> anyhow::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            bail!("--out {}: there is no folder {}", path.display(), folder.display())
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, json: &str) -> anyhow::Result<()> {
    std::fs::write(path, format!("{json}\n")).with_context(|| path.display().to_string())
}

fn row(name: &str, deviation: &str, limit: &str, mark: &str, quantity: &str) -> String {
    let row = format!("{name:<52}{deviation:>10}{limit:>8}  {mark:<5}{quantity}");
    row.trim_end().to_owned()
}

fn check_row(check: &Check) -> String {
    let largest = check.largest();
    let relative = largest.and_then(|deviation| deviation.relative);
    let deviation = match relative {
        Some(0.0) => "0".to_owned(),
        Some(relative) => format!("{relative:.1e}"),
        None => "-".to_owned(),
    };
    let mark = if check.passes { "ok" } else { "FAIL" };
    let quantity = match &check.problem {
        // What more a driver says is in the file.
        Some(problem) => problem.lines().next().unwrap_or_default(),
        None if relative == Some(0.0) => "all are equal",
        None => largest.map_or("", |deviation| &deviation.quantity),
    };
    row(&check.name, &deviation, &format!("{:.0e}", check.limit), mark, quantity)
}

/// The verdict over all checks, in one line.
fn verdict(report: &DeviceReport) -> String {
    let (n, n_failed) = (report.checks.len(), report.failed().count());
    if n_failed > 0 {
        let names = report.failed().map(|check| match check.largest().map(|d| d.relative) {
            Some(Some(relative)) => {
                format!("{} ({relative:.1e}, limit {:.0e})", check.name, check.limit)
            }
            Some(None) => format!("{} (not finite)", check.name),
            None => format!("{} ({})", check.name, check.problem.as_deref().unwrap_or_default()),
        });
        let names = names.collect::<Vec<_>>().join("; ");
        return format!("{n_failed} of {n} checks fail: {names}");
    }
    let nearest = report.nearest_to_limit().and_then(|check| {
        let deviation = check.largest()?;
        Some((check, deviation, deviation.relative?))
    });
    match nearest {
        Some((check, deviation, relative)) => format!(
            "all {n} checks pass; nearest to its limit: {relative:.1e} of {:.0e} ({}; {})",
            check.limit, check.name, deviation.quantity
        ),
        None => format!("all {n} checks pass"),
    }
}

fn speed_lines(speed: &DeviceSpeed) -> Vec<String> {
    let step = &speed.step;
    let percent = |part: f64, whole: f64| format!("{:.0} %", 100.0 * part / whole);
    let mut lines = vec![
        format!(
            "copy      {}, tensors of {} MB",
            rate(speed.copy_bytes_per_sec, "B/s"),
            speed.copied_bytes / 1_000_000
        ),
        format!(
            "products  {}, f32 matrices of {} × {}",
            rate(speed.product_flops, "FLOP/s"),
            speed.product_size,
            speed.product_size
        ),
        format!(
            "optimizer {}, {} of the copy; {:.1} M parameters",
            rate(speed.optimizer_bytes_per_sec, "B/s"),
            percent(speed.optimizer_bytes_per_sec, speed.copy_bytes_per_sec),
            speed.optimizer_parameters as f64 / 1e6
        ),
        format!(
            "step      {:.0} tokens/s, {:.1} ms; {}, {} of the products",
            step.tokens_per_sec,
            1e3 * step.secs,
            rate(step.flops, "FLOP/s"),
            percent(step.flops, speed.product_flops)
        ),
        format!(
            "          of {} layers of {}, {:.1} M parameters, {} × {} tokens",
            step.n_layers,
            step.hidden_size,
            step.n_parameters as f64 / 1e6,
            step.batch_size,
            step.seq_len
        ),
        format!("first     {:.1} s for three steps, with compiled kernels", step.first_steps_secs),
        format!("launches  {:.0} kernels a step", step.n_launches()),
    ];
    lines.extend(speed.half_precision_steps.iter().map(|(precision, half)| {
        let (tokens, gain) = (half.tokens_per_sec, step.secs / half.secs);
        format!(
            "{precision:<10}{tokens:.0} tokens/s, {:.1} ms; {gain:.2} times f32",
            1e3 * half.secs
        )
    }));
    lines.extend(speed.memory.map(|memory| {
        let [in_use, reserved] =
            [memory.bytes_in_use, memory.bytes_reserved].map(|bytes| bytes as f64 / 1e6);
        format!("memory    {in_use:.0} MB in use after a step, {reserved:.0} MB reserved")
    }));
    lines
}

/// A rate with a prefix of its unit: `1.23 T` for 10¹².
fn rate(value: f64, unit: &str) -> String {
    let prefixes = [(1e12, "T"), (1e9, "G"), (1e6, "M")];
    let (size, prefix) = prefixes.into_iter().find(|(size, _)| value >= *size).unwrap_or((1.0, ""));
    format!("{:.1} {prefix}{unit}", value / size)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isogloss::Deviation;

    use super::*;

    fn check(relative: Option<f64>, problem: Option<&str>) -> Check {
        let deviation = Deviation { quantity: "gradient of key".into(), relative };
        Check {
            name: "attention".into(),
            passes: relative.is_some_and(|relative| relative <= 2e-5),
            limit: 2e-5,
            deviations: if problem.is_some() { Vec::new() } else { vec![deviation] },
            problem: problem.map(str::to_owned),
            seconds: 0.0,
        }
    }

    #[test]
    fn rows_show_the_largest_deviation_or_the_problem() {
        let words = |check: &Check| {
            check_row(check).split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(&check(Some(3.14e-6), None)), "attention 3.1e-6 2e-5 ok gradient of key");
        assert_eq!(words(&check(Some(1e-2), None)), "attention 1.0e-2 2e-5 FAIL gradient of key");
        assert_eq!(words(&check(Some(0.0), None)), "attention 0 2e-5 ok all are equal");
        assert_eq!(words(&check(None, None)), "attention - 2e-5 FAIL gradient of key");
        assert_eq!(words(&check(None, Some("lost\nin 3"))), "attention - 2e-5 FAIL lost");
    }

    fn report(checks: Vec<Check>) -> DeviceReport {
        let device = DeviceInfo {
            name: "wgpu:0".into(),
            adapter: None,
            driver: None,
            api: "vulkan".into(),
            max_buffer_bytes: None,
            is_software: false,
            threads: None,
            kernel_language: None,
            matrix_units: Vec::new(),
        };
        DeviceReport {
            isogloss: "0",
            burn: "0",
            backends: &[],
            os: "linux",
            arch: "x86_64",
            started: String::new(),
            reference: device.clone(),
            device,
            limits: BTreeMap::new(),
            half_precisions: Vec::new(),
            checks,
            training: BTreeMap::new(),
            speed: None,
        }
    }

    #[test]
    fn the_verdict_names_what_fails() {
        let fine = || check(Some(3.14e-6), None);
        let verdict_of = |checks| verdict(&report(checks));
        assert_eq!(
            verdict_of(vec![fine(), check(Some(1e-7), None)]),
            "all 2 checks pass; nearest to its limit: 3.1e-6 of 2e-5 (attention; gradient of key)"
        );
        assert_eq!(
            verdict_of(vec![fine(), check(Some(1e-2), None), check(None, Some("lost"))]),
            "2 of 3 checks fail: attention (1.0e-2, limit 2e-5); attention (lost)"
        );
        let nan = verdict_of(vec![fine(), check(None, None)]);
        assert_eq!(nan, "1 of 2 checks fail: attention (not finite)");
    }

    #[test]
    fn the_file_of_a_check_that_ends_early_has_the_checks_before() {
        let device = report(Vec::new()).device;
        let file = unfinished(&device, &[check(Some(1e-7), None), check(None, Some("lost"))]);
        assert_eq!(file["verdict"], "not finished: 1 of the first 2 checks fail");
        assert_eq!(
            (&file["device"]["name"], &file["checks"][1]["problem"]),
            (&json!("wgpu:0"), &json!("lost"))
        );
    }

    #[test]
    fn rates_have_the_prefix_of_their_size() {
        assert_eq!(rate(1.234e12, "FLOP/s"), "1.2 TFLOP/s");
        assert_eq!(rate(960e9, "B/s"), "960.0 GB/s");
        assert_eq!(rate(12.0, "B/s"), "12.0 B/s");
    }
}
