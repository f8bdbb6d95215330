//! Fisher information on a tiny encoder: the identities of METHODS as tests.

use std::convert::Infallible;

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss::text::Tokenizer;
use isogloss::{Corpus, FisherEstimator, LabeledSet, MeasureOptions, Measures};
use isogloss_methods::{
    Divergence, EmbeddingNoise, FisherStepConfig, GradientFlow, GradientSource, Gradients,
    Reduction, SamConfig, UpdateConfig, cross_entropy, divergence, head_trace, sample_labels,
    shifted, with_random_signs,
};
use isogloss_model::{ForwardOptions, HeadChoice, HeadSpec, Model, ModelInput, Pooling, load};
use isogloss_tests::runs::Workshop;
use isogloss_tests::values;

struct Bench {
    model: Model,
    set: LabeledSet,
}

impl Bench {
    /// A tiny BERT with a new head of four labels, and twelve texts.
    fn new() -> Self {
        let shop = Workshop::new();
        let tokenizer = Tokenizer::from_file(&shop.path("model/tokenizer.json")).unwrap();
        let corpus = Corpus::read(&shop.plan("", ""), &tokenizer, 32).unwrap();
        let labels = corpus.labels.names().to_vec();
        let head = HeadSpec::sequence(labels, Pooling::Mean);
        let choice = HeadChoice::New { spec: head, seed: 3 };
        let model = load(shop.path("model"), &choice, &Device::flex().autodiff()).unwrap().model;
        // A head with confident predictions, so that the sampled labels differ.
        let model = with_random_signs(model, 0.05, 5);
        Self { model, set: corpus.tests.into_iter().next().unwrap() }
    }

    fn measure(&self, estimator: FisherEstimator, seed: u64) -> Measures {
        let options = MeasureOptions {
            estimator,
            n_examples: None,
            radius: 0.0,
            seed,
            ..MeasureOptions::default()
        };
        Measures::take(&self.model, &self.set, None, &Device::flex(), &options).unwrap()
    }

    /// All texts in one batch.
    fn input(&self) -> ModelInput {
        let rows: Vec<_> = self.set.features.iter().map(|f| f.input.ids.as_slice()).collect();
        let config = self.model.encoder.config();
        let batch = isogloss::text::TokenBatch::from_ids(&rows, config.pad_token_id);
        let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
        let device = Device::flex().autodiff();
        config.input(ids, &batch.attention_mask, types, batch.seq_len, &device).unwrap()
    }
}

#[test]
fn the_exact_trace_of_the_head_is_its_closed_form() {
    let bench = Bench::new();
    let measures = bench.measure(FisherEstimator::Exact, 0);
    let output = bench.model.forward(&bench.input(), &ForwardOptions::evaluation());
    let closed = f64::from(head_trace(output.logits, output.features).mean().into_scalar::<f32>());
    let exact = measures.fisher.blocks["head"];
    assert!((exact - closed).abs() < 1e-4 * closed, "{exact}, closed form {closed}");
    assert_eq!(measures.n_rows, bench.set.features.len());
    let sum: f64 = measures.fisher.blocks.values().sum();
    assert!((sum - measures.fisher.trace).abs() < 1e-9 * sum);
    let sum: f64 = measures.fisher.parts.values().sum();
    assert!((sum - measures.fisher.trace).abs() < 1e-9 * sum);
}

#[test]
fn one_backward_pass_is_unbiased_with_sampled_labels_and_biased_with_the_most_probable() {
    let bench = Bench::new();
    let exact = bench.measure(FisherEstimator::Exact, 0).fisher.trace;
    let n = 600;
    let draws: Vec<f64> =
        (0..n).map(|seed| bench.measure(FisherEstimator::Sampled, seed).fisher.trace).collect();
    let mean = draws.iter().sum::<f64>() / n as f64;
    let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    let standard_error = (variance / n as f64).sqrt();
    assert!((mean - exact).abs() < 3.5 * standard_error, "{mean} ± {standard_error}, {exact}");
    assert!(standard_error < 0.05 * exact, "too few draws to tell: {standard_error} of {exact}");

    let logits = bench.model.forward(&bench.input(), &ForwardOptions::evaluation()).logits;
    let n_rows = logits.dims()[0];
    let best: Tensor<1, Int> = logits.clone().argmax(1).reshape([n_rows]);
    let norm = Gradients::from_loss(&cross_entropy(logits, best, 0.0), &bench.model).global_norm();
    let biased = n_rows as f64 * norm.powi(2);
    assert!((biased - exact).abs() > 20.0 * standard_error, "{biased} beside {exact}");
}

#[test]
fn the_kl_of_noised_weights_tends_to_the_trace() {
    let bench = Bench::new();
    let input = bench.input();
    let logits = bench.model.forward(&input, &ForwardOptions::evaluation()).logits;
    let [n_rows, n_labels] = logits.dims();
    // The exact trace without the token embeddings, which get no noise.
    let mut exact = 0.0;
    for (row, label) in (0..n_rows).flat_map(|row| (0..n_labels).map(move |label| (row, label))) {
        let logits =
            bench.model.forward(&input, &ForwardOptions::evaluation()).logits.narrow(0, row, 1);
        let label = TensorData::new(vec![label as i32], [1]);
        let label = Tensor::<1, Int>::from_data(label, &logits.device());
        let loss = cross_entropy(logits, label, 0.0);
        let probability = (-f64::from(loss.clone().into_scalar::<f32>())).exp();
        let squares = Gradients::from_loss(&loss, &bench.model).squares();
        let others = squares.iter().filter(|(path, _)| !path.ends_with("embeddings.token.weight"));
        exact += probability * others.map(|(_, square)| square).sum::<f64>() / n_rows as f64;
    }

    let estimate = |scale: f64, n: u64| {
        let draws = (0..n).map(|seed| {
            let noised = with_random_signs(bench.model.clone(), scale, seed);
            let noised = noised.forward(&input, &ForwardOptions::evaluation()).logits;
            let (kind, flow) = (Divergence::SymmetricKl, GradientFlow::Both);
            let kl = divergence(kind, flow, Reduction::BatchMean, logits.clone(), noised);
            f64::from(values(kl)[0]) / scale.powi(2)
        });
        draws.sum::<f64>() / n as f64
    };
    // Single estimates have a standard deviation near the trace, so 4000 of them err by about 2 %.
    let errors = [3e-2, 2e-3].map(|scale| (estimate(scale, 4000) / exact - 1.0).abs());
    assert!(errors[1] < 0.06, "relative errors {errors:?} of {exact}");
    assert!(errors[0] > errors[1], "no limit in sight: {errors:?}");
}

/// Gradient source with fixed labels for the texts of a bench.
struct Frozen<'a> {
    bench: &'a Bench,
    labels: Vec<i32>,
}

impl GradientSource<Infallible> for Frozen<'_> {
    fn gradients(&mut self, model: &Model) -> Result<Gradients, Infallible> {
        self.sampled_gradients(model)
    }

    fn n_batches(&self) -> usize {
        1
    }

    fn batch_language(&self, _batch: usize) -> usize {
        0
    }

    fn batch_gradients(&mut self, model: &Model, _batch: usize) -> Result<Gradients, Infallible> {
        self.sampled_gradients(model)
    }

    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, Infallible> {
        let logits = model.forward(&self.bench.input(), &ForwardOptions::evaluation()).logits;
        let labels = TensorData::new(self.labels.clone(), [self.labels.len()]);
        let labels = Tensor::<1, Int>::from_data(labels, &logits.device());
        Ok(Gradients::from_loss(&cross_entropy(logits, labels, 0.0), model))
    }

    fn noise_divergence(&mut self, _: &Model, _: EmbeddingNoise) -> Result<f64, Infallible> {
        unreachable!("no update here asks for it")
    }

    fn parameter_divergence(&mut self, _: &Model, _: &Model) -> Result<f64, Infallible> {
        unreachable!("no trust region is asked for")
    }
}

impl Frozen<'_> {
    fn at(&mut self, model: &Model) -> Gradients {
        let Ok(gradients) = self.sampled_gradients(model);
        gradients
    }
}

fn frozen(bench: &Bench) -> Frozen<'_> {
    let logits = bench.model.forward(&bench.input(), &ForwardOptions::evaluation()).logits;
    Frozen { bench, labels: sample_labels(logits, 8) }
}

#[test]
fn the_fisher_step_adds_the_gradient_of_the_squared_norm() {
    let bench = Bench::new();
    let mut learner = frozen(&bench);
    let step = FisherStepConfig { weight: 0.5, step_size: 5e-3, every: 2 };
    let config = UpdateConfig { fisher_penalty: Some(step), ..UpdateConfig::default() };
    let mut update = config.init::<Infallible>();
    let plain = learner.at(&bench.model);
    let Ok(with) = update.gradients(&bench.model, 4, &mut learner);
    let added = with.plus(plain.clone().scaled(-1.0));
    // The directional derivative of 0.5 ‖g‖² along the added gradient is the norm of that
    // gradient.
    let (length, distance) = (added.global_norm(), 1e-3);
    let mut squared_norm = |factor: f64| {
        let model = shifted(bench.model.clone(), &added, factor / length);
        0.5 * learner.at(&model).global_norm().powi(2)
    };
    let slope = (squared_norm(distance) - squared_norm(-distance)) / (2.0 * distance);
    assert!((slope - length).abs() < 0.02 * length, "slope {slope}, length {length}");

    let Ok(between) = update.gradients(&bench.model, 5, &mut learner);
    assert_eq!(between.plus(plain.scaled(-1.0)).global_norm(), 0.0, "a step without the penalty");
}

#[test]
fn sam_takes_the_gradient_uphill() {
    let bench = Bench::new();
    let mut learner = frozen(&bench);
    let plain = learner.at(&bench.model);
    let uphill = shifted(bench.model.clone(), &plain, 0.2 / plain.global_norm());
    let expected = learner.at(&uphill);
    let config = UpdateConfig { sam: Some(SamConfig { rho: 0.2 }), ..UpdateConfig::default() };
    let Ok(found) = config.init::<Infallible>().gradients(&bench.model, 0, &mut learner);
    let norm = expected.global_norm();
    let apart = found.plus(expected.scaled(-1.0)).global_norm();
    assert!(apart <= 1e-6 * norm, "{apart} of {norm}");
    assert!(plain.scaled(-1.0).plus(learner.at(&uphill)).global_norm() > 1e-3 * norm, "no step");
}

#[test]
fn sharpness_is_zero_without_a_step_and_grows_along_the_gradient() {
    let bench = Bench::new();
    let take = |radius: f64| {
        let options = MeasureOptions {
            n_examples: None,
            radius,
            n_directions: 4,
            ..MeasureOptions::default()
        };
        let measures =
            Measures::take(&bench.model, &bench.set, None, &Device::flex(), &options).unwrap();
        measures.sharpness.unwrap()
    };
    let (near, far) = (take(1e-3), take(0.1));
    assert!(near.random.abs() < 1e-3 && near.adversarial.abs() < 1e-2, "{near:?}");
    assert!(far.adversarial > far.random_max && far.adversarial > near.adversarial, "{far:?}");
    // A short step along the gradient increases the loss by the gradient's norm times its length.
    let norm = {
        let logits = bench.model.forward(&bench.input(), &ForwardOptions::evaluation()).logits;
        let gold = bench.set.features.iter().map(|f| match f.target {
            isogloss::text::Target::Class(label) => label as i32,
            _ => unreachable!("this set has classes"),
        });
        let gold: Vec<i32> = gold.collect();
        let gold = TensorData::new(gold, [bench.set.features.len()]);
        let gold = Tensor::<1, Int>::from_data(gold, &logits.device());
        Gradients::from_loss(&cross_entropy(logits, gold, 0.0), &bench.model).global_norm()
    };
    let expected = norm * 1e-3;
    assert!((near.adversarial - expected).abs() < 0.1 * expected, "{near:?}, expected {expected}");
}
