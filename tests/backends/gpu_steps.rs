//! Training steps on a GPU: their kernel launches and memory, and a device that fails.
//!
//! This is a test binary of its own, with one test at a time, because launches are counted for the
//! whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use burn::tensor::{Device, Tensor};
use isogloss::device::{DeviceError, OpenDevice};
use isogloss::{Error, Event, RunOptions, RunStatus, finetune};
use isogloss_kernels::{Dropout, attention, attention_stores_scores, count_launches};
use isogloss_model::{Encoder, RandomParams, save};
use isogloss_tests::runs::{Trace, Workshop};
use isogloss_tests::{opened_devices, saved_model, tensor, values, waves};
use serde_json::Value;

/// One test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn gpus() -> Vec<OpenDevice> {
    opened_devices().into_iter().filter(|device| device.info.api != "cpu").collect()
}

/// Most launches of a step, by number of layers. Launches depend on the number of layers and
/// parameters, not on their sizes, so the models are narrow.
const LIMITS: [(usize, f64); 2] = [(3, 250.0), (12, 800.0)];

#[test]
fn a_step_launches_few_kernels() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for device in &gpus() {
        for (n_layers, limit) in LIMITS {
            let shop = Workshop::new();
            deepen(&shop.path("model"), n_layers);
            let train = |steps: usize| {
                let plan = shop.plan(&format!("max_steps = {steps}\nbatch_size = 4"), "");
                let run = shop.run(&format!("run of {steps} steps"));
                count_launches(|| shop.finish_on(device, &plan, &run)).1
            };
            // Both runs score their model once.
            let (three, six) = (train(3), train(6));
            let per_step = |(kernel, n): (&String, &usize)| {
                (kernel.clone(), (n - three.get(kernel).unwrap_or(&0)) as f64 / 3.0)
            };
            let by_kernel: BTreeMap<_, _> = six.iter().map(per_step).collect();
            let step = by_kernel.values().sum::<f64>();
            eprintln!("{n_layers} layers on {}: {step:.1} launches a step", device.info.name);
            eprintln!("{by_kernel:#?}");
            assert!(step > 0.0, "nothing was counted");
            assert!(step <= limit, "{n_layers} layers: {step:.1} launches a step, {by_kernel:#?}");
            // AdamW for the rows of the token embeddings that have a gradient; with a dense one
            // there is none.
            let is_sparse = |name: &str| name.to_lowercase().replace('_', "").contains("steprows");
            let sparse = by_kernel.iter().filter(|(name, _)| is_sparse(name));
            let n_sparse = sparse.map(|(_, n)| n).sum::<f64>();
            assert_eq!(n_sparse, 1.0, "a dense gradient of the embeddings: {by_kernel:#?}");
        }
    }
}

/// Calls of wgpu that wait for the GPU or feed it, counted from its log, below CubeCL.
#[derive(Debug)]
struct WgpuCalls {
    /// Buffers mapped to be read by the host.
    reads: AtomicUsize,
    /// Writes of host memory into buffers.
    uploads: AtomicUsize,
    submits: AtomicUsize,
}

static CALLS: WgpuCalls = WgpuCalls {
    reads: AtomicUsize::new(0),
    uploads: AtomicUsize::new(0),
    submits: AtomicUsize::new(0),
};

impl log::Log for WgpuCalls {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("wgpu_core")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        let count = match text.as_str() {
            "Queue::submit" => &self.submits,
            "Queue::write_buffer" => &self.uploads,
            text if text.starts_with("Buffer::map_async") && text.contains("Read") => &self.reads,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn flush(&self) {}
}

impl WgpuCalls {
    /// Reads, uploads and submits during some work.
    fn during(work: impl FnOnce()) -> [usize; 3] {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| log::set_logger(&CALLS).unwrap());
        let counts = || [&CALLS.reads, &CALLS.uploads, &CALLS.submits];
        counts().into_iter().for_each(|count| count.store(0, Ordering::Relaxed));
        log::set_max_level(log::LevelFilter::Trace);
        work();
        log::set_max_level(log::LevelFilter::Off);
        counts().map(|count| count.load(Ordering::Relaxed))
    }
}

/// Most uploads of a step: the tensors of its batch and the sizes of launches that CubeCL has not kept.
const UPLOADS: usize = 40;

/// Most submits of a step: CubeCL makes one after 32 launches, of which these steps have 150, and one
/// at the first upload after a launch. A batch is uploaded before the first launch.
const SUBMITS: usize = 7;

#[test]
fn the_host_reads_nothing_but_at_log_every() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for device in &gpus() {
        let shop = Workshop::new();
        let train = |steps: usize, log_every: usize| {
            let training = format!("max_steps = {steps}\nbatch_size = 1\nlog_every = {log_every}");
            let plan = shop.plan(&format!("{training}\ncheckpoint_every = 1000"), "");
            let run = shop.run(&format!("{steps} {log_every}"));
            WgpuCalls::during(|| _ = shop.finish_on(device, &plan, &run))
        };
        // Both runs of a pair end within the first epoch, and score and save their model once.
        for log_every in [2, 6] {
            let (short, long) = (train(6, log_every), train(18, log_every));
            let [reads, uploads, submits] = std::array::from_fn(|i| long[i] - short[i]);
            let name = &device.info.name;
            eprintln!(
                "{name}, log_every {log_every}: 12 steps have {reads} reads, {uploads} uploads, \
                 {submits} submits"
            );
            assert_eq!(reads, 12 / log_every, "{name}: reads in 12 steps");
            assert!(uploads <= 12 * UPLOADS && submits <= 12 * SUBMITS, "{uploads}, {submits}");
        }
    }
}

/// Gives the model of a folder this many layers, with random weights.
fn deepen(folder: &Path, n_layers: usize) {
    let mut loaded = saved_model("bert", &Device::flex());
    let mut config = loaded.model.encoder.config().clone();
    config.num_hidden_layers = n_layers;
    loaded.config_json["num_hidden_layers"] = n_layers.into();
    loaded.model.encoder = Encoder::init(&config, &mut RandomParams::new(1), &Device::flex());
    save(folder, &loaded.model, loaded.head.as_ref(), &loaded.config_json).unwrap();
}

#[test]
fn memory_stays_where_it_is_after_the_first_steps() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for device in &gpus() {
        let shop = Workshop::new();
        let training = "max_steps = 500\nepochs = 500\nbatch_size = 4\nlog_every = 20";
        let run = shop.run("long");
        shop.finish_on(
            device,
            &shop.plan(&format!("{training}\ncheckpoint_every = 1000"), ""),
            &run,
        );
        let lines = Trace::read(&run).metrics;
        let memory = lines.iter().filter_map(|line| line["memory_bytes"].as_u64());
        let memory: Vec<_> = memory.collect();
        assert_eq!(memory.len(), 25, "a line of the log without the memory");
        assert!(memory[0] > 0 && memory[24] <= memory[4], "bytes after each 20 steps: {memory:?}");
    }
}

#[test]
fn attention_keeps_no_matrix_of_scores_where_heads_are_a_multiple_of_four_wide() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (n_heads, seq_len) = (8, 1024);
    let scores_bytes = (n_heads * seq_len * seq_len * size_of::<f32>()) as u64;
    for OpenDevice { device, .. } in gpus() {
        for (head_width, stores_scores) in [(4, false), (6, true)] {
            assert_eq!(attention_stores_scores(&device, head_width, true), stores_scores);
            let reserved = || device.memory_pool_usage().unwrap().bytes_reserved;
            let device = device.clone().autodiff();
            let width = n_heads * head_width;
            let leaf = |phase| {
                let waves = waves(seq_len * width, phase);
                tensor(waves, [1, seq_len, width], &device).require_grad()
            };
            let (query, key, value) = (leaf(0.1), leaf(0.2), leaf(0.3));
            let bias = Tensor::zeros([1, seq_len], &device);
            device.sync().unwrap();
            let before = reserved();
            let dropout = Dropout { rate: 0.1, seed: 3 };
            let output = attention(query.clone(), key, value, bias, n_heads, dropout);
            let gradient = query.grad(&output.square().sum().backward()).unwrap();
            assert!(values(gradient).iter().any(|x| *x != 0.0));
            let more = reserved().saturating_sub(before);
            let what = format!("heads of {head_width}: {more} bytes more, scores {scores_bytes}");
            match stores_scores {
                true => assert!(more >= scores_bytes, "{what}"),
                false => assert!(more < scores_bytes / 4, "{what}"),
            }
        }
    }
}

#[test]
fn scores_that_attention_stores_are_named_where_they_do_not_fit() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for device in &gpus() {
        let shop = Workshop::new();
        // All 24 texts in one batch.
        let plan = shop.plan("max_steps = 1\nbatch_size = 32\nevaluation_batch_size = 1", "");
        let with = |n_heads: usize, max_buffer_bytes: usize| {
            let path = shop.path("model/config.json");
            let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            config["num_attention_heads"] = n_heads.into();
            fs::write(&path, config.to_string()).unwrap();
            let run = shop.run("run");
            _ = fs::remove_dir_all(run.path());
            let OpenDevice { device, mut info } = device.clone();
            info.max_buffer_bytes = Some(max_buffer_bytes as u64);
            match shop.try_finish_on(&OpenDevice { device, info }, &plan, &run) {
                Err(Error::Device(DeviceError::TooLarge { what, .. })) => Some(what),
                outcome => outcome.map(|_| None).unwrap(),
            }
        };
        let activations = with(16, 120 * 32 * 4).unwrap();
        let longest = activations.split(" × ").nth(1).unwrap().parse::<usize>().unwrap();
        assert_eq!(activations, format!("feed-forward activation tensor of 24 × {longest} × 64"));
        // 16 heads of the model's 32 units are two wide, and 4 are eight wide.
        let fits = 24 * longest * 64 * 4;
        let scores = format!("attention score tensor of 24 × 16 × {longest} × {longest}");
        assert_eq!(with(16, fits), Some(scores));
        assert_eq!(with(4, fits), None);
    }
}

#[test]
fn a_device_that_fails_ends_the_run_and_the_same_command_goes_on() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for device in &gpus() {
        let shop = Workshop::new();
        let plan = shop.plan("epochs = 2\nbatch_size = 4\nlog_every = 1\ncheckpoint_every = 4", "");
        let whole = shop.run("whole");
        shop.finish_on(device, &plan, &whole);
        let run = shop.run("failed");
        let stop = AtomicBool::new(false);
        let options = RunOptions {
            model_folder: plan.recipe().model.source.as_str().into(),
            device: device.device.clone(),
            device_info: device.info.clone(),
            teacher_folder: None,
            fresh: false,
            stop: &stop,
        };
        // Burn panics in a step where a driver fails.
        let error = finetune(&plan, &run, &options, &mut |event| {
            if matches!(event, Event::Step { step: 7, .. }) {
                panic!("the device was lost");
            }
        });
        let error = error.unwrap_err();
        assert!(matches!(error, Error::DeviceFailed { .. }), "{error}");
        let text = error.to_string();
        for part in [&device.info.name, "the device was lost", "checkpoint of step 6", "flex"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(run.status().unwrap(), RunStatus::Unfinished(6));
        shop.finish_on(device, &plan, &run);
        assert_eq!(Trace::read(&run).losses(), Trace::read(&whole).losses());
    }
}
