//! Tests of updates and of how they nest, on losses with known gradients.

use std::convert::Infallible;

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use isogloss_model::{
    HeadSpec, Model, ParamVisitor, Pooling, RandomParams, named_parameters, presets,
    visit_parameters,
};

use crate::gradients::Gradients;
use crate::state::tests::Saved;
use crate::update::{
    AsamConfig, FirstOrderMamlConfig, GradientSource, PcGradConfig, ReptileConfig, SamConfig,
    TramConfig, TrustRegion, Update, UpdateConfig,
};
use crate::view::{EmbeddingNoise, NoiseShape};

/// Quadratic losses: the loss of each batch is half the squared distance of all parameters from a
/// target number, and its gradient is the difference from it.
struct Springs(Vec<f64>);

struct Away<'a>(f64, &'a mut Gradients);

impl ParamVisitor for Away<'_> {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let values = param.val();
        let n = values.shape().num_elements();
        self.1.add(path.to_owned(), (values - self.0).reshape([n]));
    }
}

impl GradientSource<Infallible> for Springs {
    fn gradients(&mut self, model: &Model) -> Result<Gradients, Infallible> {
        let mut sum = Gradients::default();
        for batch in 0..self.0.len() {
            let share = 1.0 / self.0.len() as f64;
            sum = sum.plus(self.batch_gradients(model, batch)?.scaled(share));
        }
        Ok(sum)
    }

    fn n_batches(&self) -> usize {
        self.0.len()
    }

    fn batch_language(&self, batch: usize) -> usize {
        batch
    }

    fn batch_gradients(&mut self, model: &Model, batch: usize) -> Result<Gradients, Infallible> {
        let mut gradients = Gradients::default();
        visit_parameters(model, &mut Away(self.0[batch], &mut gradients));
        Ok(gradients)
    }

    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, Infallible> {
        self.gradients(model)
    }

    fn noise_divergence(
        &mut self,
        _model: &Model,
        noise: EmbeddingNoise,
    ) -> Result<f64, Infallible> {
        Ok(2.0 * noise.scale)
    }

    /// The distance between the sums of all parameters.
    fn parameter_divergence(&mut self, model: &Model, earlier: &Model) -> Result<f64, Infallible> {
        let [now, before] = [model, earlier].map(|model| values(model).into_iter());
        Ok(now.zip(before).map(|((now, _), (before, _))| (now - before).abs()).sum())
    }
}

fn model() -> Model {
    let head = HeadSpec::sequence(vec!["a".into(), "b".into()], Pooling::Mean);
    let source = &mut RandomParams::new(1);
    Model::init(&presets::tiny(10), Some(&head), source, &Device::flex())
}

/// Fails unless the gradient of each parameter θ is `expected(θ, rate)`.
fn assert_gradients(
    update: &mut dyn Update<Infallible>,
    batches: &[f64],
    [rate, head_rate]: [f64; 2],
    expected: impl Fn(f64, f64) -> f64,
) {
    let model = model();
    let mut source = Springs(batches.to_vec());
    let found = update.gradients(&model, 0, &mut source).unwrap();
    for param in named_parameters(&model) {
        let rate = if param.path.starts_with("head.") { head_rate } else { rate };
        let before = param.data().convert::<f64>().try_into_vec::<f64>().unwrap();
        let gradient = found.get(&param.path).unwrap().clone().into_data();
        let gradient = gradient.convert::<f64>().try_into_vec::<f64>().unwrap();
        for (before, found) in before.into_iter().zip(gradient) {
            let expected = expected(before, rate);
            assert!((found - expected).abs() < 1e-5, "{}: {found} {expected}", param.path);
        }
    }
}

#[test]
fn maml_takes_the_query_gradient_where_two_steps_on_the_support_lead() {
    let mut maml = FirstOrderMamlConfig {
        inner_steps: 2,
        inner_learning_rate: 0.1,
        inner_head_learning_rate: Some(0.3),
    };
    // Two tasks: from 1 towards 3, and from -2 towards 0.5.
    let task = |theta: f64, rate: f64, support: f64, query: f64| {
        let first = theta - rate * (theta - support);
        let second = first - rate * (first - support);
        second - query
    };
    let expected = |theta, rate| (task(theta, rate, 1.0, 3.0) + task(theta, rate, -2.0, 0.5)) / 2.0;
    assert_gradients(&mut maml, &[1.0, 3.0, -2.0, 0.5], [0.1, 0.3], expected);
    // An incomplete task at the end is skipped.
    assert_gradients(&mut maml, &[1.0, 3.0, 7.0], [0.1, 0.3], |theta, rate| {
        task(theta, rate, 1.0, 3.0)
    });
}

#[test]
fn reptile_goes_where_the_steps_of_a_task_lead() {
    let mut reptile =
        ReptileConfig { inner_steps: 3, inner_learning_rate: 0.2, inner_head_learning_rate: None };
    let expected = |theta: f64, rate: f64| {
        let end = [1.0, -1.0, 4.0].iter().fold(theta, |x, batch| x - rate * (x - batch));
        (theta - end) / rate
    };
    assert_gradients(&mut reptile, &[1.0, -1.0, 4.0], [0.2, 0.2], expected);
    reptile.inner_steps = 1;
    let mean = |theta: f64, _| ((theta - 1.0) + (theta + 1.0)) / 2.0;
    assert_gradients(&mut reptile, &[1.0, -1.0], [0.2, 0.2], mean);
}

#[test]
fn too_few_batches_for_a_task_are_plain() {
    let mut maml = FirstOrderMamlConfig::default();
    assert_gradients(&mut maml, &[2.0], [1e-3, 1e-3], |theta, _| theta - 2.0);
}

/// Values of all parameters, with whether each is one of the head and one of a bias.
fn values(model: &Model) -> Vec<(f64, [bool; 2])> {
    let of = |param: &isogloss_model::NamedParam| {
        let kind = [param.path.starts_with("head."), param.path.ends_with("bias")];
        let values = param.data().convert::<f64>().try_into_vec::<f64>().unwrap();
        values.into_iter().map(move |value| (value, kind)).collect::<Vec<_>>()
    };
    named_parameters(model).iter().flat_map(of).collect()
}

/// Fails unless the gradient of all parameters is `expected` of their values.
fn assert_gradient(
    config: &UpdateConfig,
    batches: &[f64],
    expected: impl Fn(&[f64], &[[bool; 2]]) -> Vec<f64>,
) {
    let model = model();
    let found = config.init().gradients(&model, 0, &mut Springs(batches.to_vec())).unwrap();
    let (theta, kinds): (Vec<_>, Vec<_>) = values(&model).into_iter().unzip();
    let expected = expected(&theta, &kinds);
    let found = named_parameters(&model).into_iter().flat_map(|param| {
        let gradient = found.get(&param.path).unwrap().clone().into_data();
        gradient.convert::<f64>().try_into_vec::<f64>().unwrap()
    });
    let found: Vec<f64> = found.collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// θ + ρ g / ‖g‖.
fn uphill(theta: &[f64], gradient: &[f64], rho: f64) -> Vec<f64> {
    let factor = rho / norm(gradient);
    theta.iter().zip(gradient).map(|(theta, g)| theta + factor * g).collect()
}

#[test]
fn sam_takes_the_gradient_of_maml_where_that_gradient_leads() {
    let maml = FirstOrderMamlConfig {
        inner_steps: 1,
        inner_learning_rate: 0.1,
        inner_head_learning_rate: Some(0.3),
    };
    let (sam, first_order_maml) = (Some(SamConfig { rho: 0.7 }), Some(maml));
    let config = UpdateConfig { sam, first_order_maml, ..UpdateConfig::default() };
    assert_gradient(&config, &[1.0, 3.0], |theta, kinds| {
        let meta = |theta: &[f64]| -> Vec<f64> {
            let rate = |is_head: bool| if is_head { 0.3 } else { 0.1 };
            let theta = theta.iter().zip(kinds);
            theta.map(|(x, [head, _])| x - rate(*head) * (x - 1.0) - 3.0).collect()
        };
        meta(&uphill(theta, &meta(theta), 0.7))
    });
}

#[test]
fn sam_takes_the_projected_gradient_where_the_projected_gradient_leads() {
    let (sam, pcgrad) = (Some(SamConfig { rho: 0.4 }), Some(PcGradConfig {}));
    let config = UpdateConfig { sam, pcgrad, ..UpdateConfig::default() };
    // Targets on both sides of the parameters pull against each other.
    assert_gradient(&config, &[3.0, -3.0], |theta, _| {
        let projected = |theta: &[f64]| -> Vec<f64> {
            let own = [3.0, -3.0].map(|target| -> Vec<f64> {
                theta.iter().map(|theta| (theta - target) / 2.0).collect()
            });
            let product: f64 = own[0].iter().zip(&own[1]).map(|(a, b)| a * b).sum();
            assert!(product < 0.0);
            let squares = [norm(&own[0]).powi(2), norm(&own[1]).powi(2)];
            own[0]
                .iter()
                .zip(&own[1])
                .map(|(a, b)| a - product / squares[1] * b + b - product / squares[0] * a)
                .collect()
        };
        projected(&uphill(theta, &projected(theta), 0.4))
    });
}

#[test]
fn asam_goes_up_farther_where_weights_are_larger() {
    let asam = Some(AsamConfig { rho: 0.8, eta: 0.05 });
    assert_gradient(&UpdateConfig { asam, ..UpdateConfig::default() }, &[2.0], |theta, kinds| {
        let gradient: Vec<f64> = theta.iter().map(|theta| theta - 2.0).collect();
        let t = theta.iter().zip(kinds).map(|(theta, [_, bias])| match bias {
            true => 1.0,
            false => theta.abs() + 0.05,
        });
        let t: Vec<f64> = t.collect();
        let scaled: Vec<f64> = gradient.iter().zip(&t).map(|(g, t)| g * t).collect();
        let factor = 0.8 / norm(&scaled);
        let moved = theta.iter().zip(scaled.iter().zip(&t));
        moved.map(|(theta, (scaled, t))| theta + factor * scaled * t - 2.0).collect()
    });
}

#[test]
fn updates_of_one_place_exclude_each_other() {
    let faults = |toml: serde_json::Value| {
        let config: UpdateConfig = serde_json::from_value(toml).unwrap();
        config.faults().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    use serde_json::json;
    assert!(faults(json!({ "sam": {}, "pcgrad": {}, "fisher_penalty": {} })).is_empty());
    assert!(faults(json!({ "asam": {}, "reptile": {} })).is_empty());
    assert_eq!(faults(json!({ "sam": {}, "asam": {} })), ["asam"]);
    assert_eq!(faults(json!({ "first_order_maml": {}, "pcgrad": {}, "sam": {} })), ["pcgrad"]);
}

#[test]
fn tram_goes_as_far_as_noised_predictions_are() {
    let noise = EmbeddingNoise { shape: NoiseShape::Uniform, scale: 0.25 };
    let tram = |adaptive| UpdateConfig {
        tram: Some(TramConfig { rho: 3.0, noise, adaptive, eta: 0.1, ..TramConfig::default() }),
        ..UpdateConfig::default()
    };
    // The divergence is 0.5: the radius is 1.5, in place of that of SAM and ASAM.
    let sam = UpdateConfig { sam: Some(SamConfig { rho: 1.5 }), ..UpdateConfig::default() };
    let asam = AsamConfig { rho: 1.5, eta: 0.1 };
    let asam = UpdateConfig { asam: Some(asam), ..UpdateConfig::default() };
    let gradients = |config: UpdateConfig| {
        let found = config.init().gradients(&model(), 0, &mut Springs(vec![1.0, 3.0])).unwrap();
        let values = |path: &str| -> Vec<f32> {
            found.get(path).unwrap().into_data().try_into_vec().unwrap()
        };
        named_parameters(&model()).iter().map(|param| values(&param.path)).collect::<Vec<_>>()
    };
    assert_eq!(gradients(tram(false)), gradients(sam.clone()));
    assert_eq!(gradients(tram(true)), gradients(asam));
    let both = UpdateConfig { sam: sam.sam, ..tram(false) };
    assert_eq!(both.faults().len(), 1);
    let wrong = TramConfig { rho: 0.0, eta: -1.0, ..TramConfig::default() };
    let wrong = UpdateConfig { tram: Some(wrong), ..UpdateConfig::default() };
    let fields: Vec<_> = wrong.faults().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["tram.rho", "tram.eta"]);
    let noise = EmbeddingNoise { scale: 0.1, ..EmbeddingNoise::default() };
    let unused = TramConfig { trust_region: TrustRegion::Previous, noise, ..TramConfig::default() };
    let unused = UpdateConfig { tram: Some(unused), ..UpdateConfig::default() };
    assert_eq!(unused.faults()[0].0, "tram.noise");
}

#[test]
fn tram_goes_as_far_as_the_last_step_led_and_a_checkpoint_holds_where_it_began() {
    let trust_region = TrustRegion::Previous;
    let tram = TramConfig { rho: 2.0, trust_region, ..TramConfig::default() };
    let config = UpdateConfig { tram: Some(tram), ..UpdateConfig::default() };
    let first = model();
    let mut source = Springs(vec![1.0, 3.0]);
    let up = source.gradients(&first).unwrap();
    let second = crate::parameters::shifted(first.clone(), &up, 1e-3);
    let gradients = |update: &mut dyn Update<Infallible>, model: &Model| -> Vec<f64> {
        let found = update.gradients(model, 0, &mut Springs(vec![1.0, 3.0])).unwrap();
        let gradient = |path: &str| found.get(path).unwrap().clone().into_data();
        let gradient = |path: &str| gradient(path).convert::<f64>().try_into_vec::<f64>().unwrap();
        named_parameters(model).iter().flat_map(|param| gradient(&param.path)).collect()
    };
    // The gradient is θ - 2. Before the second step there are no earlier parameters.
    let plain = |model: &Model| -> Vec<f64> {
        values(model).into_iter().map(|(theta, _)| theta - 2.0).collect()
    };
    let mut update = config.init::<Infallible>();
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(near(&gradients(&mut *update, &first), &plain(&first)));
    let saved = Saved::new(update.state().unwrap());
    let gradient = plain(&second);
    let moved: f64 =
        values(&first).iter().zip(values(&second)).map(|(a, b)| (a.0 - b.0).abs()).sum();
    assert!(moved > 0.1, "{moved}");
    let factor = 1.0 + 2.0 * moved / norm(&gradient);
    let expected: Vec<f64> = gradient.iter().map(|g| factor * g).collect();
    let found = gradients(&mut *update, &second);
    assert!(near(&found, &expected), "{moved}");
    let mut resumed = config.init::<Infallible>();
    let mut saved = saved;
    resumed.state().unwrap().restore(&mut saved, &second, &Device::flex()).unwrap();
    assert_eq!(gradients(&mut *resumed, &second), found);
    assert_ne!(Saved::new(update.state().unwrap()), saved);
}
