//! Kernel launches of a training step on a GPU, against a limit.
//!
//! Launches depend on the number of layers and parameters, not on their sizes, so the models are
//! narrow. This is a test binary of its own, because launches are counted for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use isogloss_kernels::count_launches;
use isogloss_model::{Encoder, RandomParams, save};
use isogloss_tests::runs::Workshop;
use isogloss_tests::{opened_devices, saved_model};

/// Most launches of a step, by number of layers.
const LIMITS: [(usize, f64); 2] = [(3, 250.0), (12, 800.0)];

#[test]
fn a_step_launches_few_kernels() {
    for device in opened_devices().iter().filter(|device| device.info.api != "cpu") {
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
            assert!(step > 0.0, "nothing was counted");
            assert!(step <= limit, "{n_layers} layers: {step:.1} launches a step, {by_kernel:#?}");
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
