//! Tests of meta-learning updates (MAML, Reptile) on losses with known gradients.

use std::convert::Infallible;

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use isogloss_model::{
    HeadSpec, Model, ParamVisitor, Pooling, RandomParams, named_parameters, presets,
    visit_parameters,
};

use crate::gradients::Gradients;
use crate::update::{FirstOrderMamlConfig, GradientSource, ReptileConfig, Update};

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

    fn batch_language(&self, _batch: usize) -> usize {
        0
    }

    fn batch_gradients(&mut self, model: &Model, batch: usize) -> Result<Gradients, Infallible> {
        let mut gradients = Gradients::default();
        visit_parameters(model, &mut Away(self.0[batch], &mut gradients));
        Ok(gradients)
    }

    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, Infallible> {
        self.gradients(model)
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
