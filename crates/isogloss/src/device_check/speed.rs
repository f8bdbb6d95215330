//! Speed of a device: copy bandwidth, matrix products, the optimizer, and a training step beside
//! them. Sizes grow with the speed, so that a software device ends soon too.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use isogloss_kernels::{AdamWParam, Precision, adamw, clip_by_global_norm, set_matmul_precision};
use serde::Serialize;

use super::optimizer::adamw_step;
use super::training_step::{StepSize, StepSpeed, TrainingStep};
use crate::device::OpenDevice;

/// Time of a measurement in seconds.
const MEASURED_SECS: f64 = 0.5;

/// Most time of one call at the next size, in seconds.
const CALL_SECS: f64 = 0.1;

/// Elements of a parameter in the measurement of the optimizer: a matrix of a feed-forward block of
/// 384 × 1536.
const PARAM_LEN: usize = 384 * 1536;

/// Measured speed of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceSpeed {
    /// Size of the largest tensor that was copied.
    pub copied_bytes: u64,
    /// Copy bandwidth: bytes read and written in a second.
    pub copy_bytes_per_sec: f64,
    /// Rows and columns of the largest matrices that were multiplied.
    pub product_size: usize,
    /// Floating-point operations of a product of matrices in f32 in a second.
    pub product_flops: f64,
    /// Number of parameters of the optimizer's step.
    pub optimizer_parameters: usize,
    /// Bytes that clipping and AdamW read and write in a second, 32 for each parameter.
    pub optimizer_bytes_per_sec: f64,
    /// A training step.
    pub step: StepSpeed,
    /// The same step with matrix products in the half precisions that the device has.
    pub half_precision_steps: BTreeMap<String, StepSpeed>,
    /// Memory of the device after the training steps, with the model still there; `None` where the
    /// device does not tell.
    pub memory: Option<MemoryUse>,
}

/// Memory of a device that this process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// Bytes of tensors that are in use.
    pub bytes_in_use: u64,
    /// Bytes that are reserved, in use or not.
    pub bytes_reserved: u64,
}

/// Measures a device; `begin` is told what is measured next. After an error, the precision of
/// matrix products may be another.
///
/// # Errors
/// The message of the device, if it fails.
pub(super) fn measure(
    device: &OpenDevice,
    halves: &[Precision],
    begin: &mut dyn FnMut(&str),
) -> Result<DeviceSpeed, String> {
    begin("copy bandwidth");
    let (copied_bytes, copy_bytes_per_sec) = copy_bandwidth(device)?;
    begin("matrix products");
    let (product_size, product_flops) = product_rate(&device.device)?;
    begin("optimizer");
    let (optimizer_parameters, optimizer_bytes_per_sec) =
        optimizer_bandwidth(&device.device, copy_bytes_per_sec)?;
    begin("training step");
    let new_step = || TrainingStep::new(StepSize::for_rate(product_flops), &device.device);
    let mut training = new_step();
    let step = training.measure()?;
    let memory = device.device.memory_pool_usage().map(|usage| MemoryUse {
        bytes_in_use: usage.bytes_in_use,
        bytes_reserved: usage.bytes_reserved,
    });
    drop(training);
    let mut half_precision_steps = BTreeMap::new();
    for half in halves {
        begin(&format!("training step in {half}"));
        set_matmul_precision(*half);
        half_precision_steps.insert(half.to_string(), new_step().measure()?);
        set_matmul_precision(Precision::F32);
    }
    Ok(DeviceSpeed {
        copied_bytes,
        copy_bytes_per_sec,
        product_size,
        product_flops,
        optimizer_parameters,
        optimizer_bytes_per_sec,
        step,
        half_precision_steps,
        memory,
    })
}

/// Bytes of the largest tensor, and bytes read and written in a second.
fn copy_bandwidth(device: &OpenDevice) -> Result<(u64, f64), String> {
    let most = device.info.max_buffer_bytes.unwrap_or(u64::MAX);
    let sizes = [16, 64, 256].map(|megabytes| (megabytes << 20).min(most));
    largest_in_time(
        &sizes,
        |bytes| *bytes as f64,
        |bytes| {
            let x = Tensor::<1>::ones([*bytes as usize / 4], &device.device);
            // A second owner: the result is another tensor.
            let secs = secs_per_call(&device.device, || drop(x.clone() * 1.5))?;
            Ok((secs, (*bytes, 2.0 * *bytes as f64 / secs)))
        },
    )
}

/// Rows and columns of the largest square matrices, and operations of their product in a second.
fn product_rate(device: &Device) -> Result<(usize, f64), String> {
    let sizes = [256_usize, 512, 1024, 2048, 4096];
    let flops = |n: &usize| 2.0 * (*n as f64).powi(3);
    largest_in_time(&sizes, flops, |n| {
        let matrix = || Tensor::<2>::random([*n, *n], Distribution::Default, device);
        let (left, right) = (matrix(), matrix());
        let secs = secs_per_call(device, || drop(left.clone().matmul(right.clone())))?;
        Ok((secs, (*n, flops(n) / secs)))
    })
}

/// Number of parameters, and bytes that a step of clipping and AdamW reads and writes in a second.
fn optimizer_bandwidth(device: &Device, copy_bytes_per_sec: f64) -> Result<(usize, f64), String> {
    // Clipping reads the gradient, AdamW four numbers of which it writes three.
    const BYTES: f64 = 4.0 * 8.0;
    let affordable = CALL_SECS * copy_bytes_per_sec / BYTES / PARAM_LEN as f64;
    let n_tensors = affordable.clamp(1.0, 64.0) as usize;
    let tensor = || Tensor::<1>::ones([PARAM_LEN], device) * 1e-3;
    let gradients: Vec<_> = (0..n_tensors).map(|_| tensor()).collect();
    let mut params: Vec<_> = (0..n_tensors).map(|_| [tensor(), tensor(), tensor()]).collect();
    let mut step = 0;
    let secs = secs_per_call(device, || {
        step += 1;
        let clip = clip_by_global_norm(gradients.clone(), Some(1.0));
        let taken = std::mem::take(&mut params).into_iter().zip(gradients.clone());
        let taken = taken.map(|([values, moment_1, moment_2], gradient)| AdamWParam {
            values,
            gradient,
            moment_1,
            moment_2,
        });
        params = adamw(taken.collect(), clip, adamw_step(step, None));
    })?;
    let n_parameters = n_tensors * PARAM_LEN;
    Ok((n_parameters, BYTES * n_parameters as f64 / secs))
}

/// Measures sizes in turn, as long as the work of the next one is done in time; returns what the
/// last measurement gives besides the seconds of a call.
fn largest_in_time<S, T>(
    sizes: &[S],
    work: impl Fn(&S) -> f64,
    mut measure: impl FnMut(&S) -> Result<(f64, T), String>,
) -> Result<T, String> {
    let [first, others @ ..] = sizes else { return Err("no size to measure".to_owned()) };
    let mut size = first;
    let (mut secs, mut found) = measure(size)?;
    for next in others {
        let is_larger = work(next) > work(size);
        if !is_larger || secs * work(next) / work(size) > CALL_SECS {
            break;
        }
        (secs, found) = measure(next)?;
        size = next;
    }
    Ok(found)
}

/// Seconds of one call, repeated after the first calls, which compile and tune its kernels.
fn secs_per_call(device: &Device, mut call: impl FnMut()) -> Result<f64, String> {
    let sync = || device.sync().map_err(|error| error.to_string());
    for _ in 0..2 {
        call();
        sync()?;
    }
    let mut n_calls = 1;
    loop {
        let began = Instant::now();
        (0..n_calls).for_each(|_| call());
        sync()?;
        let secs = began.elapsed().as_secs_f64();
        if secs >= MEASURED_SECS || n_calls >= 1 << 14 {
            return Ok(secs / f64::from(n_calls));
        }
        n_calls *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device with 1000 units of work in a second: the size of 100 takes its 0.1 s.
    #[test]
    fn sizes_grow_as_long_as_a_call_is_short() {
        let mut measured = Vec::new();
        let last = largest_in_time(
            &[1.0, 10.0, 100.0, 1_000.0],
            |size| *size,
            |size| {
                measured.push(*size);
                Ok((size / 1_000.0, *size))
            },
        );
        assert_eq!(last, Ok(100.0));
        assert_eq!(measured, [1.0, 10.0, 100.0]);
    }

    /// The largest buffer bounds several sizes alike.
    #[test]
    fn a_size_is_measured_once() {
        let mut n = 0;
        let last = largest_in_time(
            &[8.0, 8.0, 8.0],
            |size| *size,
            |size| {
                n += 1;
                Ok((1e-6, *size))
            },
        );
        assert_eq!((last, n), (Ok(8.0), 1));
    }
}
