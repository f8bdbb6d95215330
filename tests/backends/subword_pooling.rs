//! Subword pooling of the words that consistency objectives compare, on every device, against the
//! sums of hidden states before the classifier in PyTorch, and finite differences.

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::{DType, Device, Tensor, TensorData};
use isogloss_methods::{
    GradientFlow, ObjectiveConfig, PredictionUnits, Role, StepInput, TextView, View, ViewOutput,
};
use isogloss_model::ModelOutput;
use isogloss_tests::gradients::{assert_gradient, assert_near, f64_values};
use isogloss_tests::{devices, fixtures};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    inputs: Inputs,
    views: [ViewWords; 2],
    cases: Vec<Case>,
}

/// Hidden states of two views, token by token, and the classifier.
#[derive(Clone, Deserialize)]
struct Inputs {
    first: Vec<f64>,
    second: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

#[derive(Deserialize)]
struct ViewWords {
    seq_len: usize,
    /// Tokens of each word, from start to end.
    words: Vec<Vec<Option<(usize, usize)>>>,
    cut: Vec<Vec<bool>>,
    switched: Vec<Vec<bool>>,
}

#[derive(Deserialize)]
struct Case {
    config: ObjectiveConfig,
    loss: f64,
    gradients: BTreeMap<String, Vec<f64>>,
}

const NAMES: [&str; 4] = ["first", "second", "weight", "bias"];

impl Inputs {
    fn values(&mut self) -> [&mut Vec<f64>; 4] {
        [&mut self.first, &mut self.second, &mut self.weight, &mut self.bias]
    }
}

impl ViewWords {
    fn units(&self) -> PredictionUnits {
        let is_cut = |text: usize, word: usize| self.cut[text][word];
        let words = self.words.iter().enumerate();
        let whole = words.map(|(text, words)| {
            let words = words.iter().enumerate();
            let whole = words.map(|(word, tokens)| tokens.filter(|_| !is_cut(text, word)));
            whole.map(|tokens| tokens.map(|(start, end)| start..end)).collect()
        });
        let first = |words: &Vec<Option<(usize, usize)>>| {
            words.iter().map(|tokens| tokens.map(|(start, _)| start)).collect()
        };
        PredictionUnits::Words {
            seq_len: self.seq_len,
            first_subwords: self.words.iter().map(first).collect(),
            switched: self.switched.clone(),
            subwords: whole.collect(),
        }
    }
}

/// The loss, and the gradients of the inputs that it depends on.
fn evaluate(
    config: &ObjectiveConfig,
    inputs: &Inputs,
    views: &[ViewWords; 2],
    device: &Device,
    dtype: DType,
) -> (f64, BTreeMap<&'static str, Vec<f64>>) {
    let options = (device, dtype);
    let (n_labels, width) = (inputs.bias.len(), inputs.weight.len() / inputs.bias.len());
    let matrix = |values: &[f64]| {
        let data = TensorData::new(values.to_vec(), [values.len() / width, width]);
        Tensor::<2>::from_data(data, options).require_grad()
    };
    let [first, second, weight] =
        [&inputs.first, &inputs.second, &inputs.weight].map(|x| matrix(x));
    let bias = TensorData::new(inputs.bias.clone(), [n_labels]);
    let bias = Tensor::<1>::from_data(bias, options).require_grad();
    let output = |hidden: &Tensor<2>, view: &ViewWords| ViewOutput {
        output: ModelOutput {
            hidden_states: Vec::new(),
            logits: hidden.clone().matmul(weight.clone().transpose()) + bias.clone().unsqueeze(),
            bias: Some(bias.clone()),
            features: hidden.clone(),
            aux_logits: Vec::new(),
        },
        targets: None,
        units: view.units(),
    };
    let named = config.init().needs().views.into_iter().map(|view| {
        let is_first = view == View::ORIGINAL || view.role == Role::Teacher;
        let output = if is_first { output(&first, &views[0]) } else { output(&second, &views[1]) };
        (view, output)
    });
    let loss = config.init().loss(&StepInput::new(named.collect())).unwrap();
    let tape = loss.backward();
    let gradients = [first.grad(&tape), second.grad(&tape), weight.grad(&tape)]
        .map(|gradient| gradient.map(f64_values));
    let gradients = gradients.into_iter().chain([bias.grad(&tape).map(f64_values)]);
    let gradients = NAMES.into_iter().zip(gradients);
    let gradients = gradients.filter_map(|(name, gradient)| Some((name, gradient?)));
    (f64_values(loss)[0], gradients.collect())
}

fn fixture() -> Fixture {
    let bytes = fs::read(fixtures().join("subword_pooling.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn pooled_words_are_compared_as_their_pooled_hidden_states_in_pytorch() {
    let Fixture { inputs, views, cases } = fixture();
    assert_eq!(cases.len(), 42);
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for case in &cases {
            let what = format!("{:?} on {device_name}", case.config);
            let (loss, gradients) = evaluate(&case.config, &inputs, &views, &device, DType::F32);
            assert_near(&what, &[loss], &[case.loss], 1e-5);
            // All gradients at once: that of the bias vanishes where both sides are trained towards
            // each other, and has no size of its own to compare with.
            let of_name = |name: &str| gradients.get(name).cloned();
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            for (name, of_fixture) in &case.gradients {
                found.extend(of_name(name).unwrap_or_else(|| vec![0.0; of_fixture.len()]));
                expected.extend(of_fixture);
            }
            assert_near(&format!("{what}, gradients"), &found, &expected, 1e-5);
        }
    }
}

#[test]
fn gradients_through_pooled_words_meet_finite_differences() {
    let Fixture { inputs, views, cases } = fixture();
    let device = Device::flex().autodiff();
    let loss_of = |config: &ObjectiveConfig, inputs: &Inputs| {
        evaluate(config, inputs, &views, &device, DType::F64)
    };
    for case in cases {
        let ObjectiveConfig::Consistency(config) = &case.config else { continue };
        if config.gradient != GradientFlow::Both {
            continue;
        }
        let (loss, gradients) = loss_of(&case.config, &inputs);
        assert_near(&format!("{:?}", case.config), &[loss], &[case.loss], 1e-12);
        for (idx, name) in NAMES.into_iter().enumerate() {
            let what = format!("{:?}, {name}", case.config);
            assert_gradient(&what, &gradients[name], 3, loss.max(1.0), |index, h| {
                let mut inputs = inputs.clone();
                inputs.values()[idx][index] += h;
                loss_of(&case.config, &inputs).0
            });
        }
    }
}

#[test]
fn words_whose_subwords_were_not_found_are_an_error() {
    let Fixture { inputs, views, .. } = fixture();
    let config = r#"{"consistency": {"view": "subword_sampled", "subword_pooling": "sum"}}"#;
    let config: ObjectiveConfig = serde_json::from_str(config).unwrap();
    assert!(config.init().needs().subwords);
    let logits = Tensor::<2>::zeros([2 * views[0].seq_len, inputs.bias.len()], &Device::flex());
    let view = |view: View| {
        let mut units = views[0].units();
        if let PredictionUnits::Words { subwords, .. } = &mut units {
            subwords.clear();
        }
        let (features, logits) = (logits.clone(), logits.clone());
        let (hidden_states, aux_logits) = (Vec::new(), Vec::new());
        let output = ModelOutput { hidden_states, logits, bias: None, features, aux_logits };
        (view, ViewOutput { output, targets: None, units })
    };
    let both = [View::ORIGINAL, View::student(TextView::SubwordSampled)].map(view);
    let error = config.init().loss(&StepInput::new(both.to_vec())).unwrap_err();
    let expected = "objective consistency: the subwords of a view's words are missing";
    assert_eq!(error.to_string(), expected);
}
