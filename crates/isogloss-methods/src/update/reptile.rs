//! Reptile (Nichol et al. 2018): meta-learning by the sum of the gradients of an inner loop.

use isogloss_model::Model;

use super::inner_loop::{inner_loop_config, sgd_step};
use super::rule::{GradientSource, Update, UpdateMethod};
use crate::faults::Faults;
use crate::gradients::Gradients;
use crate::method::{Method, MethodInfo, options};

inner_loop_config! {
    /// Reptile, meta-learning: the difference of the parameters before and after plain gradient
    /// descent on a task's batches, divided by the learning rate, averaged over the step's tasks.
    ///
    /// A task is `inner_steps` batches of one language, one for each step of the inner loop;
    /// `training.accumulate` is that number times the number of tasks of a step.
    ///
    /// # Source
    /// Nichol et al. 2018, arXiv:1803.02999, alg. 2, with the optimizer applied to
    /// `(θ - θ') / α`, as in §2.
    ReptileConfig, inner_steps = 4
}

impl Method for ReptileConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "reptile",
        title: "Reptile",
        paper: "Nichol et al. 2018, arXiv:1803.02999",
        formula: "mean over tasks of (θ - θ′) / α, θ′ after k steps θ ← θ - α ∇L(θ)",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        self.faults_of_inner_loop()
    }
}

impl UpdateMethod for ReptileConfig {
    fn key(&self) -> &'static str {
        Self::INFO.key
    }

    /// One batch for each step of the inner loop.
    fn batches_of_task(&self) -> usize {
        self.inner_steps.max(1)
    }
}

impl<E> Update<E> for ReptileConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    /// `(θ - θ') / α` equals the sum of the gradients of the inner loop.
    fn gradients(
        &mut self,
        model: &Model,
        _step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let rates = self.rates();
        let n_tasks = source.n_batches() / self.inner_steps;
        if n_tasks == 0 {
            return source.gradients(model);
        }
        let mut total = Gradients::default();
        for task in 0..n_tasks {
            let mut adapted = model.clone();
            for step in 0..self.inner_steps {
                let gradients = source.batch_gradients(&adapted, task * self.inner_steps + step)?;
                if step + 1 < self.inner_steps {
                    adapted = sgd_step(adapted, &gradients, rates);
                }
                total = total.plus(gradients.scaled(1.0 / n_tasks as f64));
            }
        }
        Ok(total)
    }
}
