//! Objectives on every device, against their formulas in PyTorch and finite differences, with their
//! invariances.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use isogloss_methods::{
    GradientFlow, ObjectiveConfig, PredictionUnits, Role, StepInput, TextView, View, ViewOutput,
};
use isogloss_model::ModelOutput;
use isogloss_tests::gradients::{assert_gradient, assert_near, f64_values};
use isogloss_tests::{devices, fixtures, waves};
use serde::Deserialize;

const N_ROWS: usize = 4;
const N_LABELS: usize = 5;
const WIDTH: usize = 3;

#[derive(Deserialize)]
struct Fixture {
    inputs: Inputs,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Inputs {
    first: Vec<Vec<f64>>,
    second: Vec<Vec<f64>>,
    features: Vec<Vec<f64>>,
    targets: Vec<i32>,
}

#[derive(Deserialize)]
struct Case {
    config: ObjectiveConfig,
    loss: f64,
    gradients: BTreeMap<String, Vec<f64>>,
}

fn fixture() -> Fixture {
    let bytes = fs::read(fixtures().join("objectives.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// A new objective that is missing here does not compile, and one without a case fails the test
/// below.
fn name(config: &ObjectiveConfig) -> &'static str {
    match config {
        ObjectiveConfig::CrossEntropy(_) => "cross_entropy",
        ObjectiveConfig::Consistency(_) => "consistency",
        ObjectiveConfig::R3f(_) => "r3f",
        ObjectiveConfig::R4f(_) => "r4f",
        ObjectiveConfig::RDrop(_) => "r_drop",
        ObjectiveConfig::ModelConsistency(_) => "model_consistency",
        ObjectiveConfig::MeanTeacher(_) => "mean_teacher",
        ObjectiveConfig::FisherPenalty(_) => "fisher_penalty",
        ObjectiveConfig::Uda(_) => "uda",
        ObjectiveConfig::PseudoLabels(_) => "pseudo_labels",
        ObjectiveConfig::EntropyMinimization(_) => "entropy_minimization",
        ObjectiveConfig::ClassBalance(_) => "class_balance",
        // Losses over vectors: `alignment.rs` compares them.
        ObjectiveConfig::InfoNce(_)
        | ObjectiveConfig::Xlco(_)
        | ObjectiveConfig::EmbeddingDistillation(_)
        | ObjectiveConfig::StateDistillation(_)
        | ObjectiveConfig::AttentionDistillation(_)
        | ObjectiveConfig::Realign(_) => "of pairs",
        // Cross-entropy over the logits of a language-model head: `parity/masked_lm.rs` compares
        // it.
        ObjectiveConfig::Mmlm(_) | ObjectiveConfig::Tlm(_) => "of masked text",
    }
}

/// Leaf tensors that losses are differentiated by: two passes' logits, and the first one's
/// features.
struct Leaves {
    first: Tensor<2>,
    second: Tensor<2>,
    features: Tensor<2>,
}

/// Batch: values by leaf, targets and prediction units.
#[derive(Clone)]
struct Batch {
    values: [Vec<f64>; 3],
    targets: Vec<i32>,
    units: PredictionUnits,
}

impl Batch {
    fn new(inputs: &Inputs) -> Self {
        let values = [&inputs.first, &inputs.second, &inputs.features].map(|rows| rows.concat());
        Self { values, targets: inputs.targets.clone(), units: PredictionUnits::Texts }
    }

    fn n_rows(&self) -> usize {
        self.targets.len()
    }

    fn leaves(&self, device: &Device, dtype: DType) -> Leaves {
        let leaf = |values: &[f64]| {
            let shape = [self.n_rows(), values.len() / self.n_rows()];
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<2>::from_data(data, (device, dtype)).require_grad()
        };
        let [first, second, features] = self.values.each_ref().map(|values| leaf(values));
        Leaves { first, second, features }
    }

    /// The step input that an objective needs: the second pass stands for every view but the
    /// first of the original and of the unlabeled text, and a teacher's output takes the place of the first.
    fn step(&self, config: &ObjectiveConfig, leaves: &Leaves) -> StepInput {
        let targets = TensorData::new(self.targets.clone(), [self.n_rows()]);
        let targets = Tensor::<1, Int>::from_data(targets, &leaves.first.device());
        let views = config.init().needs().views;
        let output = |view: View| {
            let is_first = view == View::ORIGINAL
                || view == View::student(TextView::SubwordSampled)
                    && views.iter().any(|view| view.text == TextView::SecondSubwordSampled)
                || view == View::student(TextView::Unlabeled)
                || view.role != Role::Student;
            let logits = if is_first { &leaves.first } else { &leaves.second };
            let output = ModelOutput {
                hidden_states: Vec::new(),
                logits: logits.clone(),
                bias: None,
                features: leaves.features.clone(),
                aux_logits: Vec::new(),
            };
            let targets = Some(targets.clone().into());
            (view, ViewOutput { output, targets, units: self.units.clone() })
        };
        StepInput::new(views.iter().map(|view| output(*view)).collect())
    }

    fn loss(&self, config: &ObjectiveConfig, device: &Device, dtype: DType) -> f64 {
        let leaves = self.leaves(device, dtype);
        value(config.init().loss(&self.step(config, &leaves)).unwrap())
    }

    /// The loss and the gradients of the leaves that it depends on.
    fn gradients(
        &self,
        config: &ObjectiveConfig,
        device: &Device,
        dtype: DType,
    ) -> (f64, BTreeMap<&'static str, Vec<f64>>) {
        let leaves = self.leaves(device, dtype);
        let loss = config.init().loss(&self.step(config, &leaves)).unwrap();
        let tape = loss.backward();
        let named =
            [("first", leaves.first), ("second", leaves.second), ("features", leaves.features)];
        let gradients = named
            .into_iter()
            .filter_map(|(name, leaf)| Some((name, f64_values(leaf.grad(&tape)?))));
        (value(loss), gradients.collect())
    }
}

fn value(loss: Tensor<1>) -> f64 {
    f64_values(loss)[0]
}

#[test]
fn every_objective_matches_its_formula_in_pytorch() {
    let fixture = fixture();
    let batch = Batch::new(&fixture.inputs);
    let mut seen = BTreeSet::new();
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for case in &fixture.cases {
            seen.insert(name(&case.config));
            let what = format!("{:?} on {device_name}", case.config);
            let (loss, gradients) = batch.gradients(&case.config, &device, DType::F32);
            assert_near(&what, &[loss], &[case.loss], 1e-5);
            for (leaf, expected) in &case.gradients {
                let zeros = vec![0.0; expected.len()];
                let found = gradients.get(leaf.as_str()).unwrap_or(&zeros);
                assert_near(&format!("{what}, {leaf}"), found, expected, 1e-5);
            }
            // A stop-gradient side has a gradient in neither program.
            for (leaf, found) in &gradients {
                let is_expected = case.gradients.contains_key(*leaf);
                assert!(is_expected || found.iter().all(|x| *x == 0.0), "{what}, {leaf}");
            }
        }
    }
    let all = ["class_balance", "consistency", "cross_entropy", "entropy_minimization"];
    let all = all.into_iter().chain(["fisher_penalty", "mean_teacher", "model_consistency"]);
    let more = ["pseudo_labels", "r3f", "r4f", "r_drop", "uda"];
    assert_eq!(seen, all.chain(more).collect());
}

/// Whether a loss has a stop-gradient side, so that finite differences of its value are not its
/// gradient.
fn freezes(config: &ObjectiveConfig) -> bool {
    match config {
        ObjectiveConfig::Consistency(config) => config.gradient != GradientFlow::Both,
        ObjectiveConfig::ModelConsistency(_) | ObjectiveConfig::MeanTeacher(_) => true,
        ObjectiveConfig::Uda(_) | ObjectiveConfig::PseudoLabels(_) => true,
        _ => false,
    }
}

#[test]
fn gradients_meet_finite_differences() {
    let fixture = fixture();
    let batch = Batch::new(&fixture.inputs);
    // The Vulkan device has no double precision; there the fixtures above are compared.
    for (device_name, device) in devices().into_iter().filter(|(name, _)| *name != "vulkan") {
        let device = device.autodiff();
        for case in fixture.cases.iter().filter(|case| !freezes(&case.config)) {
            let (_, gradients) = batch.gradients(&case.config, &device, DType::F64);
            for (leaf, name) in ["first", "second", "features"].into_iter().enumerate() {
                let Some(gradient) = gradients.get(name) else { continue };
                let what = format!("{:?} on {device_name}, {name}", case.config);
                // The largest case is divided by the square of its noise scale, 0.05.
                assert_gradient(&what, gradient, 3, case.loss.abs().max(1.0), |index, h| {
                    let mut batch = batch.clone();
                    batch.values[leaf][index] += h;
                    batch.loss(&case.config, &device, DType::F64)
                });
            }
        }
    }
}

#[test]
fn the_order_of_a_batch_does_not_matter() {
    let fixture = fixture();
    let batch = Batch::new(&fixture.inputs);
    let order = [2, 0, 3, 1];
    let mut shuffled = batch.clone();
    for (values, width) in shuffled.values.iter_mut().zip([N_LABELS, N_LABELS, WIDTH]) {
        let rows: Vec<_> = values.chunks(width).map(<[f64]>::to_vec).collect();
        *values = order.iter().flat_map(|row| rows[*row].clone()).collect();
    }
    shuffled.targets = order.iter().map(|row| batch.targets[*row]).collect();
    for (name, device) in devices() {
        for case in &fixture.cases {
            let [a, b] = [&batch, &shuffled]
                .map(|batch| batch.loss(&case.config, &device.clone().autodiff(), DType::F32));
            assert_near(&format!("{:?} on {name}", case.config), &[b], &[a], 2e-6);
        }
    }
}

/// Tagging batch: two sentences of two words with their first subwords, padded to `seq_len`.
fn tagged(inputs: &Inputs, seq_len: usize) -> Batch {
    let words = [1, 3];
    let mut batch = Batch {
        values: [N_LABELS, N_LABELS, WIDTH]
            .map(|width| waves(2 * seq_len * width, 0.7).into_iter().map(f64::from).collect()),
        targets: vec![-100; 2 * seq_len],
        units: PredictionUnits::Words {
            seq_len,
            first_subwords: vec![words.map(Some).to_vec(); 2],
            switched: Vec::new(),
            subwords: Vec::new(),
        },
    };
    let given = Batch::new(inputs);
    for row in 0..N_ROWS {
        let place = row / 2 * seq_len + words[row % 2];
        batch.targets[place] = given.targets[row];
        for (leaf, width) in [N_LABELS, N_LABELS, WIDTH].into_iter().enumerate() {
            let values = &given.values[leaf][row * width..(row + 1) * width];
            batch.values[leaf][place * width..(place + 1) * width].copy_from_slice(values);
        }
    }
    batch
}

#[test]
fn words_of_any_padding_lose_what_texts_of_the_same_rows_lose() {
    let fixture = fixture();
    for (name, device) in devices() {
        for case in &fixture.cases {
            for seq_len in [4, 9] {
                let batch = tagged(&fixture.inputs, seq_len);
                let loss = batch.loss(&case.config, &device.clone().autodiff(), DType::F32);
                let what = format!("{:?} on {name}, {seq_len} tokens", case.config);
                assert_near(&what, &[loss], &[case.loss], 1e-5);
            }
        }
    }
}

#[test]
fn words_that_one_view_lacks_are_left_out_of_both() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    let case = serde_json::from_str(r#"{"consistency": {"view": "code_switched"}}"#).unwrap();
    let whole = tagged(&fixture.inputs, 4);
    let leaves = whole.leaves(&device, DType::F32);
    let output = |first_subwords: Vec<Vec<Option<usize>>>, logits: &Tensor<2>| ViewOutput {
        output: ModelOutput {
            hidden_states: Vec::new(),
            logits: logits.clone(),
            bias: None,
            features: leaves.features.clone(),
            aux_logits: Vec::new(),
        },
        targets: None,
        units: PredictionUnits::Words {
            seq_len: 4,
            first_subwords,
            switched: Vec::new(),
            subwords: Vec::new(),
        },
    };
    let loss = |original, switched| {
        let config: &ObjectiveConfig = &case;
        let views = vec![
            (View::ORIGINAL, output(original, &leaves.first)),
            (View::student(TextView::CodeSwitched), output(switched, &leaves.second)),
        ];
        value(config.init().loss(&StepInput::new(views)).unwrap())
    };
    let (all, none) = (vec![Some(1), Some(3)], vec![None, None]);
    let cut = loss(vec![all.clone(), all.clone()], vec![all.clone(), none.clone()]);
    assert_eq!(cut, loss(vec![all.clone(), none.clone()], vec![all.clone(), all.clone()]));
    assert!(cut > 0.0);
    assert_eq!(loss(vec![none.clone(), none.clone()], vec![all.clone(), all]), 0.0);
}

#[test]
fn consistency_on_unswitched_words_is_that_of_the_words_neither_view_has_switched() {
    let fixture = fixture();
    let device = Device::flex().autodiff();
    let leaves = tagged(&fixture.inputs, 4).leaves(&device, DType::F32);
    let second = View::student(TextView::SecondSubwordSampled);
    let loss = |words: &str,
                first_subwords: Vec<Vec<Option<usize>>>,
                switched: [Vec<Vec<bool>>; 2]| {
        let options = serde_json::json!({
            "of": "subword_sampled", "view": "subword_sampled", "words": words, "reduction": "sum",
        });
        let config: ObjectiveConfig =
            serde_json::from_value(serde_json::json!({ "consistency": options })).unwrap();
        let output = |logits: &Tensor<2>, switched| ViewOutput {
            output: ModelOutput {
                hidden_states: Vec::new(),
                logits: logits.clone(),
                bias: None,
                features: leaves.features.clone(),
                aux_logits: Vec::new(),
            },
            targets: None,
            units: PredictionUnits::Words {
                seq_len: 4,
                first_subwords: first_subwords.clone(),
                switched,
                subwords: Vec::new(),
            },
        };
        let [a, b] = switched;
        let views = vec![
            (View::student(TextView::SubwordSampled), output(&leaves.first, a)),
            (second, output(&leaves.second, b)),
        ];
        value(config.init().loss(&StepInput::new(views)).unwrap())
    };
    let all = vec![vec![Some(1), Some(3)]; 2];
    let none = vec![vec![false, false]; 2];
    let first = vec![vec![true, false], vec![false, false]];
    let last = vec![vec![false, false], vec![false, true]];
    let whole = loss("all", all.clone(), [first.clone(), last.clone()]);
    assert_eq!(loss("unswitched", all.clone(), [none.clone(), none]), whole);
    // As if the words that one of the views has switched were in neither.
    let rest = vec![vec![None, Some(3)], vec![Some(1), None]];
    let expected = loss("all", rest, [Vec::new(), Vec::new()]);
    assert!(expected > 0.0 && expected < whole);
    assert_eq!(loss("unswitched", all, [first, last]), expected);
}
