//! Tests of a step's gradients and of what methods keep between steps, against the same formulas in
//! JAX (`tests/fixtures/make/method_gradients.py`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use isogloss_methods::{
    EmbeddingNoise, GradientSource, Gradients, GuidedDropoutConfig, GuidedDropoutState, Importance,
    NoiseShape, ObjectiveConfig, PredictionUnits, Subnetwork, TextView, View, WordLinks, shifted,
};
use isogloss_model::{ForwardOptions, HeadChoice, Model, load};
use isogloss_text::{Targets, TokenBatch};
use serde::Deserialize;
use serde_json::json;

use super::device_batch::DeviceBatch;
use super::*;

#[derive(Deserialize)]
struct Reference {
    texts: Vec<Text>,
    importance: Importance,
    unit_scores: Vec<[Vec<f64>; 2]>,
    labels: Vec<Labels>,
    xlco: Xlco,
}

#[derive(Deserialize)]
struct Text {
    label: String,
    language: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Labels {
    probabilities: Vec<f64>,
    norms: Vec<f64>,
}

#[derive(Deserialize)]
struct Xlco {
    momentum: f64,
    temperature: f64,
    learning_rate: f64,
    warm_up: Vec<Vec<u32>>,
    steps: Vec<XlcoStep>,
    queue: Vec<Vec<f32>>,
    keys: Vec<Vec<f32>>,
    rights: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct XlcoStep {
    left: Vec<Vec<u32>>,
    right: Vec<Vec<u32>>,
    loss: f64,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn reference() -> Reference {
    let bytes = std::fs::read(fixtures().join("method_gradients.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The tiny BERT with its saved head of five labels.
fn model() -> Model {
    let device = Device::flex().autodiff();
    load(fixtures().join("bert"), &HeadChoice::Saved, &device).unwrap().model
}

fn context(method: serde_json::Value) -> StepContext {
    let config: ObjectiveConfig = serde_json::from_value(method).unwrap();
    let plan = ForwardPlan::new(vec![(1.0, config.init().into())]);
    StepContext::new(plan, Device::flex(), 5, 0.0, ReferenceModels::default())
}

fn tokens(texts: &[&[u32]]) -> TokenBatch {
    TokenBatch::from_ids(texts, 0)
}

/// A batch of texts with their labels.
fn batch(texts: &[&Text], number: u64) -> StepBatch {
    let labels = ["greet", "ask", "order", "thank", "leave"];
    let label = |text: &&Text| labels.iter().position(|label| *label == text.label).unwrap() as i32;
    let ids: Vec<&[u32]> = texts.iter().map(|text| text.ids.as_slice()).collect();
    let mut tokens = tokens(&ids);
    tokens.targets = Targets::Classes(texts.iter().map(label).collect());
    let mut batch = StepBatch::empty(number);
    batch.texts.push((TextView::Original, tokens, PredictionUnits::Texts));
    batch
}

/// A batch of the texts of a language.
fn batch_of(reference: &Reference, language: &str) -> StepBatch {
    let texts = reference.texts.iter().filter(|text| text.language == language);
    batch(&texts.collect::<Vec<_>>(), 0)
}

fn step<'a>(context: &'a StepContext, model: &Model, batch: StepBatch) -> StepGradients<'a> {
    StepGradients::new(context, model, vec![batch], Path::new("texts")).unwrap()
}

#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(error < 1e-5 + 1e-4 * expected.abs(), "{what}: {found}, expected {expected}");
}

#[test]
fn importances_are_the_absolute_gradients_of_the_masks() {
    let (reference, model) = (reference(), model().with_dropout(0.0));
    let kept: Subnetwork =
        serde_json::from_value(json!({ "heads": ["#.##", "##.#"], "feed_forward": "##" })).unwrap();
    let mut context = context(json!({ "cross_entropy": {} }));
    context.masks = SubnetworkMasks::new([&kept].into_iter(), true, &context.device);
    let mut step = step(&context, &model, batch_of(&reference, "en"));
    step.gradients(&model).unwrap();
    let importances = step.into_outcome().importances;
    let [(0, found)] = importances.as_slice() else { panic!("{importances:?}") };
    let expected = &reference.importance;
    let found = found.heads.iter().flatten().chain(&found.feed_forward);
    let expected: Vec<_> = expected.heads.iter().flatten().chain(&expected.feed_forward).collect();
    assert_eq!(found.clone().count(), expected.len());
    for (unit, (found, expected)) in found.zip(expected).enumerate() {
        assert_close(*found, *expected, &format!("unit {unit}"));
    }
}

#[test]
fn unit_scores_of_guided_dropout_are_of_the_rows_of_the_output_matrices() {
    let (reference, whole) = (reference(), model());
    let model = whole.clone().with_dropout(0.0);
    let context = context(json!({ "cross_entropy": {} }));
    let gradients = ["en", "de"]
        .map(|language| step(&context, &model, batch_of(&reference, language)).gradients(&model));
    let config = GuidedDropoutConfig::default();
    let state = GuidedDropoutState::estimate(&config, &whole, gradients.into_iter()).unwrap();
    let mean = whole.encoder.config().hidden_dropout_prob;
    assert!(mean > 0.0);
    for (found, scores) in state.rates().layers.iter().zip(&reference.unit_scores) {
        for (found, scores) in found.iter().zip(scores) {
            // The rate by the number of units with a lower score.
            let n = scores.len() as f64;
            for (unit, score) in scores.iter().enumerate() {
                let rank = scores.iter().filter(|other| *other < score).count() as f64;
                let expected = mean * (1.0 + config.gamma * (0.5 - (rank + 0.5) / n));
                assert_close(f64::from(found[unit]), expected, &format!("unit {unit}"));
            }
        }
    }
}

#[test]
fn sampled_gradients_are_those_of_labels_drawn_with_their_probabilities() {
    const N: u64 = 150;
    let (reference, model) = (reference(), model().with_dropout(0.0));
    let context = context(json!({ "cross_entropy": {} }));
    let (text, expected) = (&reference.texts[0], &reference.labels[0]);
    let mut counts = vec![0; expected.norms.len()];
    for number in 0..N {
        let mut step = step(&context, &model, batch(&[text], number));
        let norm = step.sampled_gradients(&model).unwrap().global_norm();
        let is_of = |of: &f64| (norm - of).abs() < 1e-3 * of;
        let labels: Vec<_> = expected.norms.iter().map(is_of).collect();
        assert_eq!(labels.iter().filter(|is_of| **is_of).count(), 1, "{norm}");
        counts[labels.iter().position(|is_of| *is_of).unwrap()] += 1;
        // The same labels at other parameters, as the Fisher penalty needs them.
        let moved = shifted(model.clone(), &Gradients::default(), 1.0);
        let again = step.sampled_gradients(&moved).unwrap().global_norm();
        assert_close(again, norm, "the labels of the first call");
    }
    for (count, probability) in counts.iter().zip(&expected.probabilities) {
        let deviation = (probability * (1.0 - probability) * N as f64).sqrt();
        let error = (f64::from(*count) - probability * N as f64).abs();
        assert!(error < 4.0 * deviation, "{counts:?}, expected {:?}", expected.probabilities);
    }
}

#[test]
fn divergences_under_noise_are_those_of_the_two_predictions() {
    let (reference, whole) = (reference(), model());
    let noise = |scale| EmbeddingNoise { shape: NoiseShape::Normal, scale };
    let found = |model: &Model, scale| {
        let context = context(json!({ "cross_entropy": {} }));
        let mut step = step(&context, model, batch_of(&reference, "en"));
        step.noise_divergence(model, noise(scale)).unwrap()
    };
    let model = whole.clone().with_dropout(0.0);
    assert_eq!(found(&model, 0.0), 0.0);
    // KL of nearby predictions is of second order in the noise, with terms of higher order.
    let ratio = found(&model, 0.02) / found(&model, 0.01);
    assert!((ratio - 4.0).abs() < 0.5, "{ratio}");
    // Without noise, dropout makes the difference: the two passes have masks of their own.
    assert!(found(&whole.with_dropout(0.1), 0.0) > 1e-6);

    // From the logits of the passes of R3F, by hand.
    let json = json!({ "r3f": { "noise": { "shape": "normal", "scale": 0.3 } } });
    let context = context(json);
    let batch = batch_of(&reference, "en");
    let batch = DeviceBatch::new(&context, &model, batch, Path::new("texts")).unwrap();
    let input = context.forward(&model, &batch, None, |_| true).input;
    let log_probabilities = |view| -> Vec<Vec<f64>> {
        let logits = input.view(view, "r3f").unwrap().output.logits.clone().into_data();
        let logits = logits.convert::<f64>().try_into_vec::<f64>().unwrap();
        let normal = |row: &[f64]| {
            let sum = row.iter().map(|x| x.exp()).sum::<f64>().ln();
            row.iter().map(|x| x - sum).collect()
        };
        logits.chunks(5).map(normal).collect()
    };
    let noised = log_probabilities(View::noised(noise(0.3), 1));
    let clean = log_probabilities(View::ORIGINAL);
    let of_row = |(p, q): (&Vec<f64>, &Vec<f64>)| -> f64 {
        p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum()
    };
    let expected = noised.iter().zip(&clean).map(of_row).sum::<f64>() / clean.len() as f64;
    assert!(expected > 1e-4, "{expected}");
    assert_close(found(&model, 0.3), expected, "the mean over texts");
}

#[test]
fn divergences_from_earlier_parameters_are_those_of_the_two_predictions() {
    let (reference, whole) = (reference(), model());
    let now = whole.clone().with_dropout(0.0);
    let (text, expected) = (&reference.texts[0], &reference.labels[0].probabilities);
    let context = context(json!({ "cross_entropy": {} }));
    let mut step = step(&context, &now, batch(&[text], 0));
    let uphill = step.gradients(&now).unwrap();
    let earlier = shifted(now.clone(), &uphill, 0.5);
    // The probabilities of the parameters in training are JAX's.
    let input = now.encoder.config().input(
        &text.ids.iter().map(|id| *id as i32).collect::<Vec<_>>(),
        &vec![1; text.ids.len()],
        &vec![0; text.ids.len()],
        text.ids.len(),
        &Device::flex().autodiff(),
    );
    let logits = earlier.forward(&input.unwrap(), &ForwardOptions::evaluation()).logits;
    let logits = logits.into_data().convert::<f64>().try_into_vec::<f64>().unwrap();
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    let before = logits.iter().map(|logit| logit.exp() / sum);
    let kl: f64 = before.zip(expected).map(|(p, q)| p * (p / q).ln()).sum();
    assert!(kl > 1e-4, "{kl}");
    assert_close(step.parameter_divergence(&now, &earlier).unwrap(), kl, "KL(before‖now)");
    assert_close(step.parameter_divergence(&now, &now).unwrap(), 0.0, "no step");
    // Earlier parameters have no dropout, those in training have.
    assert!(step.parameter_divergence(&whole.with_dropout(0.1), &now).unwrap() > 1e-6);
}

#[test]
fn the_gradient_of_sampled_labels_is_the_mean_over_the_texts() {
    // Of two equal texts with different labels, ‖g‖ is not of one label; of two with one label it is.
    let (reference, model) = (reference(), model().with_dropout(0.0));
    let context = context(json!({ "cross_entropy": {} }));
    let (text, expected) = (&reference.texts[0], &reference.labels[0]);
    let is_of_one = (0..40).map(|number| {
        let mut step = step(&context, &model, batch(&[text, text], number));
        let norm = step.sampled_gradients(&model).unwrap().global_norm();
        assert!(norm < 1.001 * expected.norms.iter().copied().fold(0.0, f64::max));
        expected.norms.iter().any(|of| (norm - of).abs() < 1e-3 * of)
    });
    // Both texts have the same label with Σ p² = 0.33.
    let n_same = is_of_one.filter(|same| *same).count() as f64;
    let same: f64 = expected.probabilities.iter().map(|p| p * p).sum();
    let deviation = (same * (1.0 - same) * 40.0).sqrt();
    assert!((n_same - 40.0 * same).abs() < 4.0 * deviation, "{n_same}, expected {}", 40.0 * same);
}

/// A batch of sentence pairs.
fn pairs(left: &[Vec<u32>], right: &[Vec<u32>], number: u64) -> StepBatch {
    let side = |side: &[Vec<u32>]| tokens(&side.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let texts = vec![(TextView::PairLeft, side(left)), (TextView::PairRight, side(right))];
    let mut batch = StepBatch::empty(number);
    batch.add_pairs(texts, WordLinks::default());
    batch
}

fn rows(tensor: Tensor<2>) -> Vec<Vec<f32>> {
    let width = tensor.dims()[1];
    let values = tensor.into_data().try_into_vec::<f32>().unwrap();
    values.chunks(width).map(<[f32]>::to_vec).collect()
}

#[track_caller]
fn assert_rows(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-4, "{what}: {found}, expected {expected}");
    }
}

#[test]
fn xlco_contrasts_with_earlier_keys_then_pushes_its_own_and_moves_the_encoder() {
    let (Reference { xlco, .. }, mut model) = (reference(), model().with_dropout(0.0));
    let mut context = context(json!({ "xlco": {
        "layer": 2, "momentum": xlco.momentum, "temperature": xlco.temperature, "queue_size": 4,
        "mixup": false, "masked": false,
    } }));
    context.states.begin(&model);
    for keys in xlco.warm_up.chunks(2) {
        assert!(!context.states.are_ready());
        let collected = step(&context, &model, pairs(keys, keys, 0)).collect(&model).unwrap();
        context.states.warm_up(collected);
    }
    assert!(context.states.are_ready());
    for (number, of) in (0..).zip(&xlco.steps) {
        let mut step = step(&context, &model, pairs(&of.left, &of.right, number));
        let gradients = step.gradients(&model).unwrap();
        let found = step.into_outcome();
        let losses: Vec<_> = found.losses.tensors().map(Tensor::into_scalar::<f32>).collect();
        assert_eq!(losses.len(), 1);
        assert_close(f64::from(losses[0]), of.loss, &format!("loss of step {number}"));
        model = shifted(model, &gradients, -xlco.learning_rate);
        context.states.after_step(&model, found.collected);
    }
    // The queue is a ring: its rows may begin anywhere.
    let (_, state) = context.states.iter().next().unwrap();
    let mut queue = rows(state.negative_queue().unwrap());
    let mut expected = xlco.queue.clone();
    for all in [&mut queue, &mut expected] {
        all.sort_by(|a, b| a[0].total_cmp(&b[0]));
    }
    assert_rows(&queue, &expected, "queue");
    let encoder = state.momentum_encoder().unwrap();
    let rights: Vec<_> = xlco.rights.iter().map(Vec::as_slice).collect();
    let rights = tokens(&rights);
    let (ids, mask, types) = (&rights.input_ids, &rights.attention_mask, &rights.token_type_ids);
    let device = Device::flex();
    let input = encoder.encoder.config().input(ids, mask, types, rights.seq_len, &device).unwrap();
    let encoded = encoder.encoder.forward(&input, &ForwardOptions::evaluation());
    let first = encoded.hidden_states[2].clone().narrow(1, 0, 1).squeeze_dim::<2>(1);
    assert_rows(&rows(first), &xlco.keys, "keys by the momentum encoder");
}

/// Which values of the embeddings a pass over the texts has dropped, text by text.
fn dropped(context: &StepContext, model: &Model, texts: StepBatch, view: View) -> Vec<Vec<bool>> {
    let n = texts.texts[0].1.n;
    let batch = DeviceBatch::new(context, model, texts, Path::new("texts")).unwrap();
    let forward = context.forward(model, &batch, None, |_| true);
    let states = forward.input.view(view, "r_drop").unwrap().output.hidden_states[0].clone();
    let values = states.into_data().try_into_vec::<f32>().unwrap();
    values.chunks(values.len() / n).map(|text| text.iter().map(|x| *x == 0.0).collect()).collect()
}

/// R-Drop's two passes run as one batch: an independent mask drops half of what the other drops, and
/// equal or shifted masks would not.
#[test]
fn the_masks_of_r_drop_are_independent_of_each_other() {
    const RATE: f64 = 0.5;
    let (reference, model) = (reference(), model().with_dropout(RATE));
    let context = context(json!({ "r_drop": {} }));
    // Texts of one length, so that no value is of padding.
    let texts: Vec<&Text> = (0..8).map(|_| &reference.texts[0]).collect();
    let mask = |number: u64, view| dropped(&context, &model, batch(&texts, number), view);
    let mut masks: Vec<Vec<bool>> = Vec::new();
    for number in [0, 1] {
        for view in [View::ORIGINAL, View::second_pass()] {
            let found = mask(number, view);
            assert_eq!(found, mask(number, view), "a batch is dropped alike each time");
            masks.extend(found);
        }
    }
    assert_eq!(masks.len(), 2 * 2 * 8);
    let share = |values: &mut dyn Iterator<Item = bool>, n: usize| {
        values.filter(|value| *value).count() as f64 / n as f64
    };
    let n = masks[0].len();
    let within = |share: f64, expected: f64, n: usize| {
        (share - expected).abs() < 5.0 * (expected * (1.0 - expected) / n as f64).sqrt()
    };
    for (i, a) in masks.iter().enumerate() {
        let alone = share(&mut a.iter().copied(), n);
        assert!(within(alone, RATE, n), "mask {i}: {alone}");
        for (j, b) in masks.iter().enumerate().skip(i + 1) {
            let both = share(&mut a.iter().zip(b).map(|(a, b)| *a && *b), n);
            assert!(within(both, RATE * RATE, n), "masks {i} and {j}: {both}");
        }
    }
    assert_eq!(masks.iter().collect::<BTreeSet<_>>().len(), masks.len());
}
