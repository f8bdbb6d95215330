//! Parity of encoders with transformers, on tiny seeded models of each family: every hidden state,
//! the logits, the loss, the gradients of all parameters, twenty optimizer steps.
//! `tests/fixtures/make/encoders.py` made the expected values.

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_methods::{
    AdamW, AdamWConfig, CrossEntropyConfig, Gradients, LearningRateConfig, LearningRateSchedule,
    ObjectiveConfig, StepInput,
};
use isogloss_model::{ForwardOptions, LoadedModel, ModelInput, named_parameters, parameter_name};
use isogloss_tests::{Fixture, assert_close, devices, difference, saved_model, values};

const FAMILIES: [&str; 4] = ["bert", "xlm-roberta", "distilbert", "electra"];

/// Relative tolerance on every device.
const TOLERANCE: f32 = 1e-5;

/// Batch `index` of the tensors below `prefix`; the whole tensors without a prefix.
fn input(
    fixture: &Fixture,
    model: &LoadedModel,
    prefix: &str,
    index: usize,
    device: &Device,
) -> ModelInput {
    let part = |name: &str| {
        let name = format!("{prefix}{name}");
        let ints = if fixture.has(&name) { fixture.ints(&name) } else { vec![0; 20 * 48] };
        ints[index * 48..(index + 1) * 48].to_vec()
    };
    let mask: Vec<u8> = part("attention_mask").iter().map(|real| *real as u8).collect();
    let config = model.model.encoder.config();
    config.input(&part("input_ids"), &mask, &part("token_type_ids"), 12, device).unwrap()
}

fn targets(values: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// Hidden states of real tokens; those of padding are not compared.
fn real(hidden: &[f32], mask: &[i32]) -> Vec<f32> {
    let rows = hidden.chunks(hidden.len() / mask.len()).zip(mask);
    rows.filter(|(_, real)| **real == 1).flat_map(|(row, _)| row.to_vec()).collect()
}

#[test]
fn hidden_states_logits_loss_and_gradients_match_transformers() {
    for (device_name, device) in devices() {
        for family in FAMILIES {
            for (folder, prefix) in
                [(family.to_owned(), ""), (format!("{family}-tokens"), "tokens.")]
            {
                let what = |part: &str| format!("{folder} on {device_name}, {part}");
                let fixture = Fixture::open(family);
                let device = device.clone().autodiff();
                let loaded = saved_model(&folder, &device);
                assert_eq!(loaded.report.fresh, Vec::<String>::new());
                assert_eq!(loaded.report.unused, Vec::<String>::new());

                let input = input(&fixture, &loaded, "", 0, &device);
                let output = loaded.model.forward(&input, &ForwardOptions::evaluation());
                let mask = fixture.ints("attention_mask");
                for (layer, hidden) in output.hidden_states.iter().enumerate() {
                    let name = format!("{prefix}hidden.{layer}");
                    let expected = real(&fixture.floats(&name), &mask);
                    let (absolute, _) =
                        difference(&real(&values(hidden.clone()), &mask), &expected);
                    assert!(absolute <= TOLERANCE, "{}: {absolute:e}", what(&name));
                }
                let expected = fixture.floats(&format!("{prefix}logits"));
                let found = values(output.logits.clone());
                let (found, expected) = if prefix.is_empty() {
                    (found, expected)
                } else {
                    (real(&found, &mask), real(&expected, &mask))
                };
                let (absolute, _) = difference(&found, &expected);
                assert!(absolute <= TOLERANCE, "{}: {absolute:e}", what("logits"));

                let labels = targets(&fixture.ints(&format!("{prefix}labels")), &device);
                let objective = ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default()).init();
                let step = StepInput::original(output, Some(labels));
                let loss = objective.loss(&step).unwrap();
                let expected = fixture.floats(&format!("{prefix}loss"));
                assert_close(&what("loss"), &values(loss.clone()), &expected, TOLERANCE);

                let gradients = Gradients::from_loss(&loss, &loaded.model);
                let mut n_compared = 0;
                for param in named_parameters(&loaded.model) {
                    let config = loaded.model.encoder.config();
                    let name = parameter_name(config, loaded.head.as_ref(), &param.path);
                    let expected = fixture.floats(&format!("{prefix}grad.{name}"));
                    let Some(found) = gradients.get(&param.path) else {
                        panic!("{}: no gradient", what(&name));
                    };
                    let found = values(found.clone());
                    let (absolute, relative) = difference(&found, &expected);
                    // The exact gradient of a key's bias is zero, so only rounding is left.
                    let close = relative <= TOLERANCE || absolute <= 1e-6;
                    assert!(close, "{}: {relative:e} ({absolute:e})", what(&name));
                    n_compared += 1;
                }
                let start = format!("{prefix}grad.");
                let n_expected = fixture.names().iter().filter(|n| n.starts_with(&start)).count();
                assert_eq!(n_compared, n_expected, "{}", what("number of gradients"));
            }
        }
    }
}

/// Training curve: trains as the fixture did, with gradient accumulation over `accumulate` batches;
/// checks learning rates and gradient norms, and returns the losses and the final logits of batch
/// 0.
fn curve(family: &str, device: &Device, accumulate: usize, prefix: &str) -> (Vec<f32>, Vec<f32>) {
    let fixture = Fixture::open(family);
    let device = device.clone().autodiff();
    let mut loaded = saved_model(family, &device);
    let n_steps = 20 / accumulate;
    let learning_rate = LearningRateConfig {
        peak: 1e-3,
        warmup_steps: n_steps as u64 / 5,
        total_steps: n_steps as u64,
        schedule: LearningRateSchedule::Linear,
    };
    let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() });
    let objective = ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default()).init();
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for (step, expected_rate) in fixture.floats(&format!("{prefix}lrs")).into_iter().enumerate() {
        let (mut gradients, mut loss_sum) = (Gradients::default(), 0.0);
        for index in step * accumulate..(step + 1) * accumulate {
            let input = input(&fixture, &loaded, "curve.", index, &device);
            let labels = &fixture.ints("curve.labels")[index * 4..(index + 1) * 4];
            let output = loaded.model.forward(&input, &ForwardOptions::evaluation());
            let step = StepInput::original(output, Some(targets(labels, &device)));
            let loss = objective.loss(&step).unwrap() / accumulate as f64;
            loss_sum += loss.clone().into_scalar::<f32>();
            gradients = gradients.plus(Gradients::from_loss(&loss, &loaded.model));
        }
        let rate = learning_rate.at(step as u64);
        assert!((rate - f64::from(expected_rate)).abs() < 1e-9, "learning rate of step {step}");
        let (model, norm) = optimizer.step(loaded.model, gradients, rate);
        loaded.model = model;
        losses.push(loss_sum);
        norms.push(norm.read() as f32);
    }
    assert_close("gradient norms", &norms, &fixture.floats(&format!("{prefix}grad_norms")), 1e-3);
    let input = input(&fixture, &loaded, "curve.", 0, &device);
    let logits = values(loaded.model.forward(&input, &ForwardOptions::evaluation()).logits);
    (losses, logits)
}

#[test]
fn twenty_steps_follow_pytorchs_curve() {
    for (device_name, device) in devices() {
        for family in FAMILIES {
            let fixture = Fixture::open(family);
            let (losses, logits) = curve(family, &device, 1, "curve.");
            let what = format!("{family} on {device_name}");
            assert_close(&what, &losses, &fixture.floats("curve.losses"), 1e-3);
            assert_close(&what, &logits, &fixture.floats("curve.final_logits"), 1e-3);
        }
    }
}

#[test]
fn accumulated_gradients_follow_pytorchs_curve() {
    for family in FAMILIES {
        let fixture = Fixture::open(family);
        let (losses, logits) = curve(family, &Device::flex(), 2, "accum.");
        assert_close(family, &losses, &fixture.floats("accum.losses"), 1e-3);
        assert_close(family, &logits, &fixture.floats("accum.final_logits"), 1e-3);
    }
}
