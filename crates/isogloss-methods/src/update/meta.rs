//! Meta-learning: parameters from which a few steps in a language lead far.
//!
//! A step's batches are tasks, one language after another; what is learned inside a task is thrown
//! away, and what it says of the way there is kept. Batches at the end of a step that make no whole task
//! are left out; where there is none, the step is a plain one.

use isogloss_model::Model;
use serde::{Deserialize, Serialize};

use super::{GradientSource, Update, positive};
use crate::{Gradients, Rates, shifted};

/// Configures first-order MAML: the gradient on a query batch after some steps of plain descent on a
/// support batch, the mean over the step's tasks.
///
/// A task is two batches of one language, support and query; `training.accumulate` is twice the number
/// of tasks of a step. Second derivatives are left out, for Burn differentiates once.
///
/// # Source
/// Finn et al. 2017, arXiv:1703.03400, §5.2, "first-order approximation"; separate rates for encoder
/// and head as Langedijk et al. 2022, arXiv:2104.04736.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FirstOrderMamlConfig {
    /// Steps of descent on the support batch.
    pub inner_steps: usize,
    /// Their learning rate.
    pub inner_learning_rate: f64,
    /// That of the head; the same by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_head_learning_rate: Option<f64>,
}

/// Configures Reptile: the way from the parameters to where plain descent leads through a task's batches,
/// divided by the learning rate, the mean over the step's tasks.
///
/// A task is `inner_steps` batches of one language, one for each step; `training.accumulate` is that
/// number times the tasks of a step.
///
/// # Source
/// Nichol et al. 2018, arXiv:1803.02999, alg. 2, with the optimizer applied to `(θ - θ') / α`, as §2
/// has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReptileConfig {
    /// Steps of descent in a task, each on a batch of its own; one alone is the plain gradient.
    pub inner_steps: usize,
    /// Their learning rate.
    pub inner_learning_rate: f64,
    /// That of the head; the same by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_head_learning_rate: Option<f64>,
}

impl Default for FirstOrderMamlConfig {
    fn default() -> Self {
        Self { inner_steps: 2, inner_learning_rate: 1e-3, inner_head_learning_rate: None }
    }
}

impl Default for ReptileConfig {
    fn default() -> Self {
        Self { inner_steps: 4, inner_learning_rate: 1e-3, inner_head_learning_rate: None }
    }
}

/// One step of plain descent.
pub fn descend(model: Model, gradients: &Gradients, rates: Rates) -> Model {
    shifted(model, &gradients.clone().scaled_by(|path| -rates.of(path)), 1.0)
}

impl FirstOrderMamlConfig {
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let names = [
            "first_order_maml.inner_steps",
            "first_order_maml.inner_learning_rate",
            "first_order_maml.inner_head_learning_rate",
        ];
        let rates = [Some(self.inner_learning_rate), self.inner_head_learning_rate];
        inner_faults(names, self.inner_steps, rates)
    }
}

impl ReptileConfig {
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let names = [
            "reptile.inner_steps",
            "reptile.inner_learning_rate",
            "reptile.inner_head_learning_rate",
        ];
        let rates = [Some(self.inner_learning_rate), self.inner_head_learning_rate];
        inner_faults(names, self.inner_steps, rates)
    }
}

fn inner_faults(
    [of_steps, of_rate, of_head]: [&'static str; 3],
    steps: usize,
    rates: [Option<f64>; 2],
) -> Vec<(&'static str, String)> {
    let no_steps = (steps == 0).then(|| (of_steps, "expected at least 1, found 0".to_owned()));
    let rates = [of_rate, of_head].into_iter().zip(rates);
    no_steps.into_iter().chain(rates.filter_map(|(name, rate)| positive(name, rate?))).collect()
}

impl<E> Update<E> for FirstOrderMamlConfig {
    fn name(&self) -> &'static str {
        "first_order_maml"
    }

    fn gradients(
        &mut self,
        model: &Model,
        _step: u64,
        learner: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let rates = Rates::new(self.inner_learning_rate, self.inner_head_learning_rate);
        let n_tasks = learner.n_batches() / 2;
        if n_tasks == 0 {
            return learner.gradients(model);
        }
        let mut total = Gradients::default();
        for task in 0..n_tasks {
            let (support, query) = (2 * task, 2 * task + 1);
            let mut adapted = model.clone();
            for _ in 0..self.inner_steps {
                let gradients = learner.batch_gradients(&adapted, support)?;
                adapted = descend(adapted, &gradients, rates);
            }
            let gradients = learner.batch_gradients(&adapted, query)?;
            total = total.plus(gradients.scaled(1.0 / n_tasks as f64));
        }
        Ok(total)
    }
}

impl<E> Update<E> for ReptileConfig {
    fn name(&self) -> &'static str {
        "reptile"
    }

    /// The way back from θ' to θ, divided by the learning rate, is the sum of the gradients on the way.
    fn gradients(
        &mut self,
        model: &Model,
        _step: u64,
        learner: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let rates = Rates::new(self.inner_learning_rate, self.inner_head_learning_rate);
        let n_tasks = learner.n_batches() / self.inner_steps;
        if n_tasks == 0 {
            return learner.gradients(model);
        }
        let mut total = Gradients::default();
        for task in 0..n_tasks {
            let mut adapted = model.clone();
            for step in 0..self.inner_steps {
                let gradients =
                    learner.batch_gradients(&adapted, task * self.inner_steps + step)?;
                if step + 1 < self.inner_steps {
                    adapted = descend(adapted, &gradients, rates);
                }
                total = total.plus(gradients.scaled(1.0 / n_tasks as f64));
            }
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use burn::module::Param;
    use burn::tensor::{Device, Tensor};
    use isogloss_model::{
        HeadSpec, ParamVisitor, Pooling, RandomParams, named_parameters, presets, visit_parameters,
    };

    use super::*;

    /// Each batch draws all parameters towards a number of its own: the loss is half the squared
    /// distance from it, and the gradient the way from it.
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

        fn batch_gradients(
            &mut self,
            model: &Model,
            batch: usize,
        ) -> Result<Gradients, Infallible> {
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
        let mut learner = Springs(batches.to_vec());
        let found = update.gradients(&model, 0, &mut learner).unwrap();
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
        let expected =
            |theta, rate| (task(theta, rate, 1.0, 3.0) + task(theta, rate, -2.0, 0.5)) / 2.0;
        assert_gradients(&mut maml, &[1.0, 3.0, -2.0, 0.5], [0.1, 0.3], expected);
        // A batch too many is no task.
        assert_gradients(&mut maml, &[1.0, 3.0, 7.0], [0.1, 0.3], |theta, rate| {
            task(theta, rate, 1.0, 3.0)
        });
    }

    #[test]
    fn reptile_goes_where_the_steps_of_a_task_lead() {
        let mut reptile = ReptileConfig {
            inner_steps: 3,
            inner_learning_rate: 0.2,
            inner_head_learning_rate: None,
        };
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
}
