//! Losses over parallel text (contrastive learning, distillation, realignment) on every device,
//! against their formulas in PyTorch and finite differences, with their invariances; and the
//! negative queue.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use burn::module::Param;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use isogloss_methods::{
    EmbeddingDistillationConfig, InfoNceConfig, NegativeQueue, Objective, PairInput, RealignConfig,
    Role, Sentences, StepInput, TextView, View, WordLinks, XlcoConfig, attention_distillation,
    embedding_distillation, info_nce, state_distillation, xlco,
};
use isogloss_model::{Init, ParamSource, ParamVisitor, Projection, visit_parameters};
use isogloss_tests::gradients::{assert_gradient, assert_near, f64_values as values};
use isogloss_tests::{devices, fixtures};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    inputs: BTreeMap<String, Input>,
    words: Words,
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
struct Input {
    shape: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Words {
    left_words: Vec<Vec<[usize; 2]>>,
    right_words: Vec<Vec<[usize; 2]>>,
    links: Vec<(usize, usize)>,
}

#[derive(Deserialize)]
struct Case {
    config: Loss,
    loss: f64,
    gradients: BTreeMap<String, Vec<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    InfoNce(InfoNceConfig),
    Xlco(XlcoConfig),
    EmbeddingDistillation(EmbeddingDistillationConfig),
    StateDistillation {},
    AttentionDistillation {},
    Realign(RealignConfig),
}

fn fixture() -> Fixture {
    let bytes = fs::read(fixtures().join("alignment.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

impl Words {
    fn links(&self) -> WordLinks {
        let side = |sentences: &[Vec<[usize; 2]>]| -> Vec<Vec<Range<usize>>> {
            let words = |words: &Vec<[usize; 2]>| words.iter().map(|[a, b]| *a..*b).collect();
            sentences.iter().map(words).collect()
        };
        WordLinks {
            left_words: side(&self.left_words),
            right_words: side(&self.right_words),
            links: self.links.clone(),
        }
    }
}

/// Leaf tensors that losses are differentiated by.
struct Leaves {
    rows: BTreeMap<&'static str, Tensor<2>>,
    states: BTreeMap<&'static str, Tensor<3>>,
    projection: Projection,
}

/// Initializes parameters with the fixture's inputs of the same name.
struct Given<'a>(&'a BTreeMap<String, Input>);

impl ParamSource for Given<'_> {
    fn take(&mut self, path: &str, shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        let input = &self.0[path];
        assert_eq!(input.shape, shape);
        Some(input.values.iter().map(|value| *value as f32).collect())
    }
}

/// Lengths without padding of the sentences whose layers are compared, and the number of attention
/// heads.
const LENGTHS: [usize; 2] = [5, 3];
const N_HEADS: usize = 2;

/// Attention mask `[batch, seq]`: 1 for a real token.
fn real_tokens(states: &Tensor<3>) -> Tensor<2> {
    let [batch, seq, _] = states.dims();
    let row = |length: usize| (0..seq).map(move |at| f64::from(u8::from(at < length)));
    let values: Vec<f64> = LENGTHS.into_iter().flat_map(row).collect();
    Tensor::from_data(TensorData::new(values, [batch, seq]), (&states.device(), states.dtype()))
}

/// Log attention maps, where each head takes its part of the states as queries and as keys.
fn looks(states: Tensor<3>, mask: &Tensor<2>) -> Tensor<4> {
    let [batch, seq, width] = states.dims();
    let heads = states.reshape([batch, seq, N_HEADS, width / N_HEADS]).swap_dims(1, 2);
    let bias = (mask.clone() - 1.0).reshape([batch, 1, 1, seq]) * 1e9;
    log_softmax(heads.clone().matmul(heads.transpose()) + bias, 3)
}

const ROWS: [&str; 4] = ["left", "right", "teacher", "queue"];
const STATES: [&str; 3] = ["left_states", "right_states", "initial_states"];

impl Leaves {
    fn new(inputs: &BTreeMap<String, Input>, device: &Device, dtype: DType) -> Self {
        let data = |name: &str| {
            let input = &inputs[name];
            TensorData::new(input.values.clone(), input.shape.clone())
        };
        let rows = |name| Tensor::<2>::from_data(data(name), (device, dtype)).require_grad();
        let states = |name| Tensor::<3>::from_data(data(name), (device, dtype)).require_grad();
        let projection = Projection::init(0, &[6, 8, 5], &mut Given(inputs), device);
        Self {
            rows: ROWS.map(|name| (name, rows(name))).into(),
            states: STATES.map(|name| (name, states(name))).into(),
            projection,
        }
    }

    fn loss(&self, config: &Loss, words: &WordLinks) -> Tensor<1> {
        let [left, right, teacher, queue] = ROWS.map(|name| self.rows[name].clone());
        match config {
            Loss::InfoNce(config) => info_nce(left, right, config),
            Loss::Xlco(config) => xlco(left, right, queue, config),
            Loss::EmbeddingDistillation(config) => {
                embedding_distillation(left, right, teacher, config).unwrap()
            }
            Loss::StateDistillation {} => {
                let [student, _, teacher] = STATES.map(|name| self.states[name].clone());
                let mask = real_tokens(&student);
                state_distillation(student, teacher, mask).unwrap()
            }
            Loss::AttentionDistillation {} => {
                let [student, _, teacher] = STATES.map(|name| self.states[name].clone());
                let mask = real_tokens(&student);
                let [student, teacher] = [student, teacher].map(|states| looks(states, &mask));
                attention_distillation(student, teacher, mask).unwrap()
            }
            Loss::Realign(config) => {
                let step = StepInput::default().with_pairs(self.pairs(words, config));
                config.loss(&step).unwrap()
            }
        }
    }

    /// The pairs of a step, in two layers: the hyperbolic tangents of the states, and the states.
    fn pairs(&self, words: &WordLinks, config: &RealignConfig) -> PairInput {
        let views =
            [View::PAIR_LEFT, View::PAIR_RIGHT, View::with_role(Role::Initial, TextView::PairLeft)];
        let sentences = STATES.into_iter().zip(views).map(|(name, view)| {
            let states = self.states[name].clone();
            let attention_mask = real_tokens(&states);
            let hidden_states = vec![states.clone().tanh(), states];
            (view, Sentences { hidden_states, attention_mask, attentions: BTreeMap::new() })
        });
        let has_head = config.needs().projection_head.is_some();
        let head = ("realign", Role::Student, self.projection.clone());
        PairInput {
            sentences: sentences.collect(),
            links: words.clone(),
            projections: has_head.then_some(head).into_iter().collect(),
            sample_size: None,
        }
    }

    /// Gradients of the leaves that a loss depends on.
    fn gradients(&self, loss: &Tensor<1>) -> BTreeMap<String, Vec<f64>> {
        let tape = loss.backward();
        let mut gradients = BTreeMap::new();
        for (name, leaf) in &self.rows {
            gradients.extend(leaf.grad(&tape).map(|x| ((*name).to_owned(), values(x))));
        }
        for (name, leaf) in &self.states {
            gradients.extend(leaf.grad(&tape).map(|x| ((*name).to_owned(), values(x))));
        }
        let mut of_projection = OfParameters { tape, gradients };
        visit_parameters(&self.projection, &mut of_projection);
        of_projection.gradients
    }
}

/// Collects the gradients of a projection's weights from the tape.
struct OfParameters {
    tape: Gradients,
    gradients: BTreeMap<String, Vec<f64>>,
}

impl ParamVisitor for OfParameters {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad_remove(&mut self.tape);
        self.gradients.extend(gradient.map(|x| (format!("projections.0.{path}"), values(x))));
    }
}

#[test]
fn every_loss_matches_its_formula_in_pytorch() {
    let fixture = fixture();
    let links = fixture.words.links();
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for case in &fixture.cases {
            let what = format!("{:?} on {device_name}", case.config);
            let leaves = Leaves::new(&fixture.inputs, &device, DType::F32);
            let loss = leaves.loss(&case.config, &links);
            assert_near(&what, &values(loss.clone()), &[case.loss], 1e-5);
            let gradients = leaves.gradients(&loss);
            for (leaf, expected) in &case.gradients {
                let what = format!("{what}, {leaf}");
                assert_near(&what, &gradients[leaf], expected, 1e-5);
            }
            // Keys, teachers and initial models are constants to both programs.
            let found: Vec<_> = gradients.keys().collect();
            assert_eq!(found, case.gradients.keys().collect::<Vec<_>>(), "{what}");
        }
    }
}

#[test]
fn gradients_meet_finite_differences() {
    let fixture = fixture();
    let links = fixture.words.links();
    // The weights of a projection are in single precision, as is everything on the Vulkan device.
    let projected = |case: &&Case| case.gradients.keys().any(|leaf| leaf.starts_with("proj"));
    for (device_name, device) in devices().into_iter().filter(|(name, _)| *name != "vulkan") {
        let device = device.autodiff();
        for case in fixture.cases.iter().filter(|case| !projected(case)) {
            let leaves = Leaves::new(&fixture.inputs, &device, DType::F64);
            let gradients = leaves.gradients(&leaves.loss(&case.config, &links));
            for (leaf, gradient) in &gradients {
                let what = format!("{:?} on {device_name}, {leaf}", case.config);
                assert_gradient(&what, gradient, 5, case.loss.abs().max(1.0), |index, h| {
                    let mut inputs = fixture.inputs.clone();
                    inputs.get_mut(leaf).unwrap().values[index] += h;
                    let leaves = Leaves::new(&inputs, &device, DType::F64);
                    values(leaves.loss(&case.config, &links))[0]
                });
            }
        }
    }
}

#[test]
fn neither_padding_nor_the_order_of_links_and_pairs_matters() {
    let fixture = fixture();
    let links = fixture.words.links();
    let mut inputs = fixture.inputs.clone();
    for (name, seq_len) in STATES.into_iter().zip([5, 4, 5]) {
        let states = inputs.get_mut(name).unwrap();
        let width = states.shape[2];
        let rows = states.values.chunks(seq_len * width);
        states.values = rows.flat_map(|row| [row, &vec![9.0; 3 * width]].concat()).collect();
        states.shape[1] += 3;
    }
    for name in ["left", "right", "teacher"] {
        let rows = inputs.get_mut(name).unwrap();
        rows.values.rotate_left(rows.shape[1]);
    }
    let mut reordered = links.clone();
    reordered.links.reverse();
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for case in &fixture.cases {
            let loss = |inputs, links| {
                values(Leaves::new(inputs, &device, DType::F32).loss(&case.config, links))
            };
            let what = format!("{:?} on {device_name}", case.config);
            let (expected, found) = (loss(&fixture.inputs, &links), loss(&inputs, &reordered));
            assert_near(&what, &found, &expected, 2e-6);
        }
    }
}

#[test]
fn a_queue_on_every_device_wraps_around_and_comes_back() {
    for (name, device) in devices() {
        let rows = |from: usize, n: usize| {
            let values: Vec<f32> = (2 * from..2 * (from + n)).map(|i| i as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [n, 2]), &device)
        };
        let mut queue = NegativeQueue::new(5, 2, &device);
        queue.push(rows(0, 4));
        assert!(queue.tensor().is_err(), "{name}");
        queue.push(rows(4, 3));
        let (keys, next) = queue.state();
        let mut queue = NegativeQueue::restore(5, keys, next).unwrap();
        queue.push(rows(7, 1));
        // Keys 5, 6 and 7 have replaced 0, 1 and 2.
        let found = values(queue.tensor().unwrap());
        assert_eq!(found, [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 6.0, 7.0, 8.0, 9.0], "{name}");
    }
}
