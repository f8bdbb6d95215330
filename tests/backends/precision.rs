//! Matrix products in half precision, on every device that has it, against operands that are
//! rounded by hand. This is a test binary of its own: the precision is that of the process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, FloatDType, Tensor};
use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::text::Format;
use isogloss::{
    CentringBy, CentringOptions, Error, Evaluator, Predictor, RunFolder, RunOptions, TextEncoder,
    estimate_centring, finetune,
};
use isogloss_kernels::{Precision, linear, set_matmul_precision};
use isogloss_tests::runs::Workshop;
use isogloss_tests::{assert_close, devices, opened_devices, tensor, values, waves};

/// One test at a time.
static TURN: Mutex<()> = Mutex::new(());

const ROWS: usize = 12;
const INPUTS: usize = 40;
const OUTPUTS: usize = 24;

/// Output of a linear layer and the gradients of input, weight and bias, for small gradients of
/// different sizes.
fn run(device: &Device, layer: impl Fn([Tensor<2>; 2], Tensor<1>) -> Tensor<2>) -> [Vec<f32>; 4] {
    let device = device.clone().autodiff();
    let x = tensor(waves(ROWS * INPUTS, 0.1), [ROWS, INPUTS], &device).require_grad();
    let weight = tensor(waves(OUTPUTS * INPUTS, 0.7), [OUTPUTS, INPUTS], &device).require_grad();
    let bias = tensor(waves(OUTPUTS, 0.4), [OUTPUTS], &device).require_grad();
    let output = layer([x.clone(), weight.clone()], bias.clone());
    let slopes = tensor(slopes(), [ROWS, OUTPUTS], &device);
    let grads = (output.clone() * slopes).sum().backward();
    let gradients = (x.grad(&grads), weight.grad(&grads), bias.grad(&grads));
    let (x, weight, bias) = (gradients.0.unwrap(), gradients.1.unwrap(), gradients.2.unwrap());
    [values(output), values(x), values(weight), values(bias)]
}

/// Gradients of the output, which are too small for `f16`.
fn slopes() -> Vec<f32> {
    waves(ROWS * OUTPUTS, 0.3).iter().map(|slope| slope * 1e-9).collect()
}

/// Rounds values to half precision.
fn rounded(values: &[f32], half: FloatDType) -> Vec<f32> {
    let n = values.len();
    let tensor = Tensor::<1>::from_floats(values, &Device::flex());
    let rounded = tensor.reshape([n]).cast(half).cast(FloatDType::F32);
    rounded.into_data().try_into_vec().unwrap()
}

/// Product of row-major matrices `[n, k]` and `[k, m]`, in f64.
fn product(a: &[f32], b: &[f32], [n, k, m]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::new();
    for row in 0..n {
        for column in 0..m {
            let terms = (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b[i * m + column]));
            out.push(terms.sum::<f64>() as f32);
        }
    }
    out
}

fn transposed(a: &[f32], [n, m]: [usize; 2]) -> Vec<f32> {
    (0..n * m).map(|at| a[at % n * m + at / n]).collect()
}

/// What [`run`] should give: products in f64 of operands rounded to half precision.
fn expected(half: FloatDType) -> [Vec<f32>; 4] {
    let (x, weight) = (waves(ROWS * INPUTS, 0.1), waves(OUTPUTS * INPUTS, 0.7));
    let (x, weight) = (rounded(&x, half), rounded(&weight, half));
    let bias = waves(OUTPUTS, 0.4);
    let output = product(&x, &transposed(&weight, [OUTPUTS, INPUTS]), [ROWS, INPUTS, OUTPUTS]);
    let output = output.iter().enumerate().map(|(at, y)| y + bias[at % OUTPUTS]).collect();
    let exact = slopes();
    let grad_bias =
        (0..OUTPUTS).map(|at| exact.iter().skip(at).step_by(OUTPUTS).sum::<f32>()).collect();
    let largest = exact.iter().fold(0f32, |largest, slope| largest.max(slope.abs()));
    let scale = if half == FloatDType::F16 { largest } else { 1.0 };
    let slopes: Vec<f32> = exact.iter().map(|slope| slope / scale).collect();
    let slopes: Vec<f32> = rounded(&slopes, half).into_iter().map(|slope| slope * scale).collect();
    let grad_x = product(&slopes, &weight, [ROWS, OUTPUTS, INPUTS]);
    let grad_weight = product(&transposed(&slopes, [ROWS, OUTPUTS]), &x, [OUTPUTS, ROWS, INPUTS]);
    [output, grad_x, grad_weight, grad_bias]
}

#[test]
fn products_round_their_operands_and_nothing_else() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let halves = [(Precision::F16, FloatDType::F16), (Precision::Bf16, FloatDType::BF16)];
    for (name, device) in devices() {
        for (precision, half) in halves {
            if !device.supports_dtype(half) {
                eprintln!("{precision} on {name}: the device has none");
                continue;
            }
            set_matmul_precision(precision);
            let found = run(&device, |[x, weight], bias| linear(x, weight, bias));
            set_matmul_precision(Precision::F32);
            let what = ["output", "gradient of x", "gradient of weight", "gradient of bias"];
            for ((found, expected), what) in found.iter().zip(&expected(half)).zip(what) {
                assert_close(&format!("{what}, {precision} on {name}"), found, expected, 2e-5);
            }
        }
    }

    // Whole runs learn as in single precision, and do not give the same losses.
    let shop = Workshop::new();
    let plan = shop.plan("epochs = 6\nbatch_size = 4\nlog_every = 1", "");
    let flex = isogloss::device::open(isogloss::device::DeviceChoice::Flex).unwrap();
    let losses = Precision::ALL.map(|precision| {
        let device = flex.clone().with_precision(precision).unwrap();
        let run = shop.run(&precision.to_string());
        shop.finish_on(&device, &plan, &run);
        isogloss_tests::runs::Trace::read(&run).losses()
    });
    set_matmul_precision(Precision::F32);
    for half in &losses[1..] {
        assert_ne!(half, &losses[0]);
        let mean = |losses: &[f64]| losses[30..].iter().sum::<f64>() / 6.0;
        let difference = (mean(half) - mean(&losses[0])).abs();
        assert!(difference < 0.05, "losses at the end: {half:?}, single {:?}", losses[0]);
    }
    for device in opened_devices().into_iter().filter(|device| device.info.api != "cpu") {
        for (precision, half) in halves {
            let is_supported = device.device.supports_dtype(half);
            assert_eq!(device.clone().with_precision(precision).is_ok(), is_supported);
        }
    }
    set_matmul_precision(Precision::F32);
}

/// Multiplies a weight of a model folder, so that activations are finite in `f32` alone.
fn enlarge(folder: &Path, weight: &str) {
    let path = folder.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + n_header]).unwrap();
    let [begin, end] =
        [0, 1].map(|side| header[weight]["data_offsets"][side].as_u64().unwrap() as usize);
    assert_eq!(header[weight]["dtype"], "F32");
    for number in bytes[8 + n_header..][begin..end].chunks_mut(4) {
        let value = f32::from_le_bytes(number.try_into().unwrap()) * 1e6;
        number.copy_from_slice(&value.to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
}

const TEXT: &str = "turn on the lamp";

/// What prediction, scores, embeddings, centring and training say of a model.
fn outcomes(shop: &Workshop, folder: &Path, device: &OpenDevice) -> Vec<Result<(), Error>> {
    let on = &device.device;
    let predictor = Predictor::load(folder, on).unwrap();
    let predicted = predictor.predict(&[(TEXT, None)]).map(|_| ());
    let data = shop.path("some.jsonl");
    fs::write(&data, format!("{{\"text\": \"{TEXT}\", \"label\": \"ask\"}}\n")).unwrap();
    let options = predictor.scoring().reading.options(Format::Jsonl);
    let examples = predictor.task().read(&data, &options).unwrap();
    let unseen = predictor.scoring().unseen_labels;
    let set = predictor.labeled_set(&data, &examples, "en".parse().unwrap(), unseen).unwrap();
    let labels = predictor.labels().unwrap();
    let (model, task) = (&predictor.loaded().model, predictor.task());
    let (subnetwork, centring) = (None, None);
    let evaluator =
        Evaluator { model, task, labels: &labels, batch_size: 2, device: on, subnetwork, centring };
    let scored = evaluator.score(&set).map(|_| ());
    let encoder = TextEncoder::load(folder, on).unwrap();
    let texts = encoder.tokenize(&[TEXT]).unwrap();
    let vectors = encoder.encode(&texts, &[(0, 1)], &[2]).map(|_| ());
    let lines = shop.path("lines.txt");
    fs::write(&lines, format!("{TEXT}\n")).unwrap();
    let options = CentringOptions { by: CentringBy::Mean, limit: None, batch_size: 2 };
    let english = "en".parse().unwrap();
    let files = [("en".parse().unwrap(), lines)];
    let centred = estimate_centring(&folder.into(), &files, &[english], options, on).map(|_| ());
    let plan = shop.plan("max_steps = 1\nbatch_size = 4", "");
    let run = shop.run("of the enlarged");
    _ = fs::remove_dir_all(run.path());
    let options = RunOptions::new(folder, device.clone());
    let trained = finetune(&plan, &run, &options, &mut |_| {}).map(|_| ());
    vec![predicted, scored, vectors, centred, trained]
}

#[test]
fn numbers_that_overflow_in_f16_are_an_error_that_says_so() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let shop = Workshop::new();
    let folder = shop.path("model");
    enlarge(&folder, "bert.encoder.layer.0.intermediate.dense.weight");
    let flex = open(DeviceChoice::Flex).unwrap();
    let gpus = opened_devices().into_iter().filter(|device| device.info.api != "cpu");
    for device in std::iter::once(flex).chain(gpus) {
        let name = device.info.name.clone();
        for precision in Precision::ALL {
            let Ok(device) = device.clone().with_precision(precision) else { continue };
            let found = outcomes(&shop, &folder, &device);
            set_matmul_precision(Precision::F32);
            let named = [TEXT, "some.jsonl: example 1", "layer 2, text 1 (", TEXT, "step 1: loss"];
            for (outcome, named) in found.into_iter().zip(named) {
                let what = format!("{named}, {precision} on {name}");
                match outcome {
                    Ok(()) => assert_ne!(precision, Precision::F16, "{what}"),
                    Err(error) => {
                        assert_eq!(precision, Precision::F16, "{what}: {error}");
                        let error = error.to_string();
                        assert!(error.contains(named), "{what}: {error}");
                        assert!(error.contains("with --precision f16"), "{what}: {error}");
                        assert!(error.contains("take bf16 or f32"), "{what}: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_run_keeps_the_precision_that_it_began_with() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let shop = Workshop::new();
    let plan = shop.plan("epochs = 2\nbatch_size = 4\ncheckpoint_every = 2", "");
    let finish = |precision: Precision, run: &RunFolder| {
        let flex = open(DeviceChoice::Flex).unwrap().with_precision(precision).unwrap();
        let outcome = shop.try_finish_on(&flex, &plan, run);
        set_matmul_precision(Precision::F32);
        outcome
    };
    let refused = |began: &str, asked: Precision, run: &RunFolder| {
        let before = fs::read(run.path().join("environment.json")).unwrap();
        let error = finish(asked, run).unwrap_err().to_string();
        let said = format!("began with --precision {began}, not {asked}");
        assert!(error.contains(&said) && error.contains("--fresh"), "{error}");
        assert_eq!(fs::read(run.path().join("environment.json")).unwrap(), before);
    };
    let run = shop.run("half");
    set_matmul_precision(Precision::Bf16);
    shop.stop_after(3, &plan, &run);
    refused("bf16", Precision::F32, &run);
    refused("bf16", Precision::F16, &run);
    finish(Precision::Bf16, &run).unwrap();
    // A finished run is not given for one in another precision.
    refused("bf16", Precision::F32, &run);
    finish(Precision::Bf16, &run).unwrap();

    // Of a version that recorded none, and had only f32.
    let run = shop.run("single");
    shop.stop_after(3, &plan, &run);
    let path = run.path().join("environment.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(record.as_object_mut().unwrap().remove("precision").unwrap(), "f32");
    fs::write(&path, record.to_string()).unwrap();
    refused("f32", Precision::Bf16, &run);
    finish(Precision::F32, &run).unwrap();
}
