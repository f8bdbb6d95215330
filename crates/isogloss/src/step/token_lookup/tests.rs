//! Training with a sparse gradient of the token embeddings, against the dense one of the autodiff
//! graph, bit by bit.

use std::path::Path;

use burn::tensor::Device;
use isogloss_methods::{
    AdamW, AdamWConfig, GradientSource, ObjectiveConfig, PredictionUnits, SparseGradient,
    TOKEN_EMBEDDINGS, TextView,
};
use isogloss_model::{HeadSpec, Model, Pooling, RandomParams, named_parameters, presets};
use isogloss_text::{Targets, TokenBatch};
use serde_json::{Value, json};

use super::super::batch::StepBatch;
use super::super::context::{ReferenceModels, StepContext};
use super::super::forward_plan::ForwardPlan;
use super::super::gradients::StepGradients;

/// Size of the vocabulary, of which the texts read a small part.
const VOCAB: usize = 3_000;

/// A recipe's objectives, and the texts that they read.
struct Case {
    objectives: Vec<Value>,
    texts: Vec<TextView>,
}

fn cases() -> Vec<Case> {
    use TextView::{CodeSwitched, Original, PairLeft, PairRight};
    let case = |objectives: &[Value], texts: &[TextView]| Case {
        objectives: objectives.to_vec(),
        texts: texts.to_vec(),
    };
    let cross_entropy = json!({ "cross_entropy": {} });
    let consistency = |view: Value| json!({ "consistency": { "view": view } });
    vec![
        case(std::slice::from_ref(&cross_entropy), &[Original]),
        case(&[json!({ "r_drop": {} })], &[Original]),
        case(&[json!({ "r3f": {} })], &[Original]),
        case(&[cross_entropy.clone(), json!({ "fisher_penalty": {} })], &[Original]),
        case(
            &[cross_entropy.clone(), consistency(json!("code_switched"))],
            &[Original, CodeSwitched],
        ),
        case(&[cross_entropy.clone(), json!({ "info_nce": {} })], &[Original, PairLeft, PairRight]),
        case(
            &[cross_entropy, json!({ "info_nce": { "chunk_size": 1 } })],
            &[Original, PairLeft, PairRight],
        ),
    ]
}

/// Two texts of a batch: some tokens are in both, some in a text twice, and one is padded.
fn token_batch(number: u64, view: TextView) -> TokenBatch {
    let token = |i: u64| 5 + (17 * number + 7 * view as u64 + i * i) as u32 % 40;
    let rows = [4, 7].map(|len| (0..len).map(token).collect::<Vec<_>>());
    let mut batch = TokenBatch::from_ids(&[&rows[0], &rows[1]], 1);
    if view.is_of_task() {
        batch.targets = Targets::Classes(vec![(number % 3) as i32, 1]);
    }
    batch
}

fn step_batch(number: u64, texts: &[TextView]) -> StepBatch {
    let text = |view: &TextView| (*view, token_batch(number, *view), PredictionUnits::Texts);
    StepBatch { texts: texts.iter().map(text).collect(), ..StepBatch::empty(number) }
}

fn model() -> Model {
    let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
    let head = HeadSpec::sequence(labels, Pooling::Mean);
    let config = presets::tiny(VOCAB);
    Model::init(&config, Some(&head), &mut RandomParams::new(3), &Device::flex().autodiff())
}

fn context(objectives: &[Value], is_sparse: bool) -> StepContext {
    let objectives = objectives.iter().map(|json| {
        let config: ObjectiveConfig = serde_json::from_value(json.clone()).unwrap();
        (1.0, config.init().into())
    });
    let plan = ForwardPlan::new(objectives.collect());
    let mut context = StepContext::new(plan, Device::flex(), 5, 0.0, ReferenceModels::default());
    context.sparse_embeddings &= is_sparse;
    context
}

/// Number of rows of the embedding gradient in each step, and all parameters after the steps.
fn train(case: &Case, is_sparse: bool, config: AdamWConfig) -> (Vec<Option<usize>>, Vec<Vec<f32>>) {
    let context = context(&case.objectives, is_sparse);
    let (mut model, mut optimizer) = (model(), AdamW::new(config));
    let mut n_rows = Vec::new();
    for step in 0..4 {
        let batches = [2 * step, 2 * step + 1].map(|number| step_batch(number, &case.texts));
        let source = StepGradients::new(&context, &model, batches.into(), Path::new("data"));
        let gradients = source.unwrap().gradients(&model).unwrap();
        n_rows.push(gradients.sparse(TOKEN_EMBEDDINGS).map(SparseGradient::n_given));
        model = optimizer.step(model, gradients, 1e-2).0;
    }
    let params = named_parameters(&model).into_iter();
    let values = params.map(|param| param.data().try_into_vec().unwrap()).collect();
    (n_rows, values)
}

#[test]
fn a_sparse_gradient_trains_as_a_dense_one_does() {
    for lazy in [false, true] {
        for case in cases() {
            let name = format!("{:?}, lazy {lazy}", case.objectives);
            let config = AdamWConfig { lazy, ..AdamWConfig::default() };
            let (n_sparse, sparse) = train(&case, true, config.clone());
            let (n_dense, dense) = train(&case, false, config);
            assert_eq!(n_dense, [None; 4], "{name}");
            // No gradient has more rows than the step has tokens.
            let n_tokens = 2 * 14 * case.texts.len();
            for n_rows in n_sparse {
                assert!(n_rows.is_some_and(|n| n > 3 && n < n_tokens), "{name}: {n_rows:?}");
            }
            assert_eq!(sparse, dense, "{name}");
        }
    }
}

#[test]
fn gradients_with_sampled_labels_are_those_of_a_dense_matrix() {
    let gradients = [true, false].map(|is_sparse| {
        let context = context(&[json!({ "cross_entropy": {} })], is_sparse);
        let batches = vec![step_batch(1, &[TextView::Original])];
        let source = StepGradients::new(&context, &model(), batches, Path::new("data"));
        source.unwrap().sampled_gradients(&model()).unwrap()
    });
    assert!(gradients[0].sparse(TOKEN_EMBEDDINGS).is_some());
    let [sparse, dense] = gradients.map(|gradients| {
        let dense = gradients.get(TOKEN_EMBEDDINGS).unwrap();
        dense.into_data().try_into_vec::<f32>().unwrap()
    });
    assert!(sparse.iter().any(|x| *x != 0.0));
    assert_eq!(sparse, dense);
}

#[test]
fn a_tied_language_model_head_has_a_dense_gradient() {
    assert!(!context(&[json!({ "mmlm": {} })], true).sparse_embeddings);
    assert!(context(&[json!({ "cross_entropy": {} })], true).sparse_embeddings);
}
