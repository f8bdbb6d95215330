//! Self-check of a device: its kernels and whole training steps against the CPU, with its speed and
//! limits, as one report for a bug report.
//!
//! Numbers of GPUs depend on drivers that nobody has tested, and some are silently wrong. The tests
//! of this project run on software drivers; this check runs on the device of the user.

mod comparison;
mod kernels;
mod optimizer;
mod speed;
mod training;
mod training_step;

use std::collections::BTreeMap;
use std::time::Instant;

use isogloss_kernels::{Precision, hardware_limits, matmul_precision, set_matmul_precision};
use serde::Serialize;

pub use comparison::{Check, Deviation};
pub use speed::{DeviceSpeed, MemoryUse};
pub use training::StepCurve;
pub use training_step::StepSpeed;

use self::comparison::Quantities;
use self::kernels::{kernel_cases, linear_cases};
use self::optimizer::{clipping, two_lazy_steps, two_steps};
use self::training::{N_STEPS, TrainingFolder};
use crate::Error;
use crate::device::{DeviceChoice, DeviceInfo, OpenDevice, compiled, list, open};
use crate::error::ToolError;
use crate::ground::device::caught;
use crate::run::{BURN_VERSION, now};

/// Largest relative deviation of a kernel, as in the tests on software drivers: the math functions
/// of GPUs are a little less precise than those of the CPU, and they add in another order.
const KERNEL_LIMIT: f64 = 2e-5;

/// Largest relative deviation of the losses and gradient norms of training steps.
///
/// It is larger, because AdamW divides the first gradients by their own size: rounding errors of
/// tiny gradients reach the parameters. A software device deviates by less than 1e-6.
const TRAINING_LIMIT: f64 = 1e-4;

/// Largest relative deviation of matrix products in half precision: a quotient or sum that a GPU
/// rounds in another way becomes another number of 8 or 11 significant bits now and then.
const HALF_PRECISION_LIMIT: f64 = 2e-4;

/// Progress of a check.
#[derive(Clone, Copy, Debug)]
pub enum CheckEvent<'a> {
    /// A check or a measurement begins.
    Begin(&'a str),
    /// A check is done.
    Done(&'a Check),
}

/// Report of a check.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceReport {
    /// Version of this crate.
    pub isogloss: &'static str,
    /// Version of Burn.
    pub burn: &'static str,
    /// The backends that are compiled in.
    pub backends: &'static [&'static str],
    /// Operating system.
    pub os: &'static str,
    /// Architecture of the CPU.
    pub arch: &'static str,
    /// UTC time at the start, in ISO 8601.
    pub started: String,
    /// The device.
    pub device: DeviceInfo,
    /// Its limits by name, as far as the driver reports them; see [`hardware_limits`].
    pub limits: BTreeMap<&'static str, u64>,
    /// Half precisions that the device has.
    pub half_precisions: Vec<String>,
    /// The CPU, which it is compared with.
    pub reference: DeviceInfo,
    /// The checks.
    pub checks: Vec<Check>,
    /// Training steps of each objective, on the device and on the CPU; an empty curve where they
    /// failed.
    pub training: BTreeMap<&'static str, [StepCurve; 2]>,
    /// Measured speed; `None` if the device failed meanwhile, which is a check that does not pass.
    pub speed: Option<DeviceSpeed>,
}

impl DeviceReport {
    /// The checks that do not pass.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.passes)
    }

    /// The check that comes nearest to its limit, or exceeds it most.
    pub fn nearest_to_limit(&self) -> Option<&Check> {
        let with_values = self.checks.iter().filter(|check| check.largest().is_some());
        with_values.max_by(|a, b| a.share_of_limit().total_cmp(&b.share_of_limit()))
    }
}

/// Checks a device: all kernels of training and four training steps of several objectives against
/// the CPU, with the same inputs and dropout masks, then its speed.
///
/// An error or a panic of the device is a check that fails; `watch` is told of each check. The
/// precision of matrix products of the process is another meanwhile.
///
/// # Errors
/// [`ToolError::ReferenceDevice`] if the device is the CPU that others are compared with,
/// [`DeviceError`](crate::device::DeviceError) in a build without it, [`Error::Io`] if no temporary
/// folder can be written.
pub fn check_device(
    device: &OpenDevice,
    watch: &mut dyn FnMut(CheckEvent<'_>),
) -> Result<DeviceReport, Error> {
    let reference = open(DeviceChoice::Flex)?;
    if device.info.name == reference.info.name {
        return Err(ToolError::ReferenceDevice { choices: choices() }.into());
    }
    let folder = TrainingFolder::new()?;
    let started = now();
    let precision_before = matmul_precision();
    let halves = half_precisions(device);
    set_matmul_precision(Precision::F32);
    let mut checker = Checker { device, reference: &reference, watch, checks: Vec::new() };
    checker.kernels();
    checker.half_precisions(&halves);
    let training = checker.training(&folder);
    let speed = checker.speed(&halves);
    set_matmul_precision(precision_before);
    Ok(DeviceReport {
        isogloss: env!("CARGO_PKG_VERSION"),
        burn: BURN_VERSION,
        backends: compiled(),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        started,
        device: device.info.clone(),
        limits: caught(|| hardware_limits(&device.device)).unwrap_or_default(),
        half_precisions: halves.iter().map(ToString::to_string).collect(),
        checks: checker.checks,
        reference: reference.info,
        training,
        speed,
    })
}

/// The half precisions that a device has; sets that of the process.
fn half_precisions(device: &OpenDevice) -> Vec<Precision> {
    let halves = [Precision::F16, Precision::Bf16].into_iter();
    halves.filter(|half| device.clone().with_precision(*half).is_ok()).collect()
}

/// A check under way.
struct Checker<'a> {
    device: &'a OpenDevice,
    reference: &'a OpenDevice,
    watch: &'a mut dyn FnMut(CheckEvent<'_>),
    checks: Vec<Check>,
}

impl Checker<'_> {
    /// Computes on both devices, and compares.
    fn compare(
        &mut self,
        name: &str,
        limit: f64,
        mut compute: impl FnMut(&OpenDevice) -> Result<Quantities, String>,
    ) {
        (self.watch)(CheckEvent::Begin(name));
        let expected = caught(|| compute(self.reference)).flatten();
        let began = Instant::now();
        let found = caught(|| compute(self.device)).flatten();
        let seconds = began.elapsed().as_secs_f64();
        self.done(Check::new(name.to_owned(), limit, found, expected, seconds));
    }

    fn done(&mut self, check: Check) {
        (self.watch)(CheckEvent::Done(&check));
        self.checks.push(check);
    }

    fn kernels(&mut self) {
        for case in kernel_cases() {
            self.compare(&case.name, KERNEL_LIMIT, |on| case.run(&on.device));
        }
        self.compare("gradient clipping", KERNEL_LIMIT, |on| clipping(&on.device));
        self.compare("AdamW, two steps", KERNEL_LIMIT, |on| two_steps(&on.device));
        self.compare("lazy AdamW, two steps", KERNEL_LIMIT, |on| two_lazy_steps(&on.device));
    }

    /// Matrix products with operands in half precision, which the CPU rounds.
    fn half_precisions(&mut self, halves: &[Precision]) {
        for half in halves {
            for case in linear_cases() {
                let name = format!("{} in {half}", case.name);
                set_matmul_precision(*half);
                self.compare(&name, HALF_PRECISION_LIMIT, |on| case.run(&on.device));
                set_matmul_precision(Precision::F32);
            }
        }
    }

    fn training(&mut self, folder: &TrainingFolder) -> BTreeMap<&'static str, [StepCurve; 2]> {
        let mut curves = BTreeMap::new();
        for (objective, recipe) in folder.recipes() {
            let mut pair = Vec::new();
            let name = format!("training, {objective}, {N_STEPS} steps");
            self.compare(&name, TRAINING_LIMIT, |on| {
                let curve = folder.train(&recipe, on).map_err(|e| e.to_string())?;
                let as_f32 = |values: &[f64]| values.iter().map(|x| *x as f32).collect();
                let quantities = vec![
                    ("loss".to_owned(), as_f32(&curve.losses)),
                    ("gradient norm".to_owned(), as_f32(&curve.gradient_norms)),
                ];
                pair.push(curve);
                Ok(quantities)
            });
            // The reference comes first.
            let mut pair = pair.into_iter();
            let reference = pair.next().unwrap_or_default();
            curves.insert(objective, [pair.next().unwrap_or_default(), reference]);
        }
        curves
    }

    fn speed(&mut self, halves: &[Precision]) -> Option<DeviceSpeed> {
        let (device, watch) = (self.device, &mut *self.watch);
        let began = Instant::now();
        let measured =
            caught(|| speed::measure(device, halves, &mut |what| watch(CheckEvent::Begin(what))))
                .flatten();
        set_matmul_precision(Precision::F32);
        let problem = match measured {
            Ok(speed) => return Some(speed),
            Err(problem) => problem,
        };
        let seconds = began.elapsed().as_secs_f64();
        let name = "speed".to_owned();
        self.done(Check::new(name, 0.0, Err(problem), Ok(Quantities::new()), seconds));
        None
    }
}

/// What a user can do who has no device to check, for the error message.
fn choices() -> String {
    let cpu = |name: &str| ["flex", "ndarray"].contains(&name);
    let backends = compiled().join(", ");
    if compiled().iter().all(|name| cpu(name)) {
        return format!(
            "this build has no backend of a GPU (it has: {backends}); build it with `cargo build \
             --release --features vulkan`, metal or dx12"
        );
    }
    let found = list().into_iter().filter(|info| info.api != "cpu").map(|info| {
        let software = if info.is_software { ", in software" } else { "" };
        format!("{} ({}{software})", info.name, info.adapter.unwrap_or_default())
    });
    match found.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => {
            format!("no GPU was found (this build has: {backends}); is its driver installed?")
        }
        found => format!("name one with --device: {found}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_not_checked_against_itself() {
        let flex = open(DeviceChoice::Flex).unwrap();
        let error = check_device(&flex, &mut |_| {}).unwrap_err().to_string();
        assert!(error.starts_with("flex, the CPU, is what devices are compared with; "), "{error}");
        if compiled() == ["flex"] {
            assert!(error.contains("this build has no backend of a GPU (it has: flex)"), "{error}");
        }
    }

    /// A driver that panics in one check, and gives a wrong number in another.
    #[test]
    fn a_device_that_panics_or_miscomputes_fails_without_ending_the_check() {
        let reference = open(DeviceChoice::Flex).unwrap();
        let mut broken = reference.clone();
        broken.info.name = "broken".into();
        let mut told = Vec::new();
        let mut watch = |event: CheckEvent<'_>| {
            if let CheckEvent::Done(check) = event {
                told.push((check.name.clone(), check.passes));
            }
        };
        let mut checker = Checker {
            device: &broken,
            reference: &reference,
            watch: &mut watch,
            checks: Vec::new(),
        };
        let output = |values: Vec<f32>| Ok(vec![("output".to_owned(), values)]);
        checker.compare("fine", 1e-5, |_| output(vec![1.0, 2.0]));
        checker.compare("lost", 1e-5, |on| {
            assert_ne!(on.info.name, "broken", "device lost");
            output(vec![1.0])
        });
        checker.compare("wrong", 1e-5, |on| {
            let is_broken = on.info.name == "broken";
            output(vec![1.0, if is_broken { 2.001 } else { 2.0 }])
        });
        let [_, lost, wrong] = &checker.checks[..] else { panic!("three checks") };
        assert!(lost.problem.as_ref().unwrap().contains("device lost"), "{lost:?}");
        assert!((wrong.largest().unwrap().relative.unwrap() - 5e-4).abs() < 1e-6, "{wrong:?}");
        let expected = [("fine", true), ("lost", false), ("wrong", false)];
        assert_eq!(told, expected.map(|(name, passes)| (name.to_owned(), passes)));
    }
}
