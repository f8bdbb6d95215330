//! First-order MAML (Finn et al. 2017): meta-learning by the gradient after an inner loop.

use isogloss_model::Model;

use super::inner_loop::{inner_loop_config, sgd_step};
use super::rule::{GradientSource, Update, UpdateMethod};
use crate::faults::Faults;
use crate::gradients::Gradients;
use crate::method::{Method, MethodInfo, options};

inner_loop_config! {
    /// First-order MAML, meta-learning: the gradient on a query batch after some steps of plain
    /// gradient descent on a support batch, averaged over the step's tasks.
    ///
    /// A task is two batches of one language, support and query; `training.accumulate` is twice the
    /// number of tasks of a step. Second derivatives are left out, because Burn differentiates
    /// once.
    ///
    /// # Source
    /// Finn et al. 2017, arXiv:1703.03400, §5.2, "first-order approximation"; separate learning
    /// rates for encoder and head as in Langedijk et al. 2022, arXiv:2104.04736.
    FirstOrderMamlConfig, inner_steps = 2
}

impl Method for FirstOrderMamlConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "first_order_maml",
        title: "First-order MAML",
        paper: "Finn et al. 2017, arXiv:1703.03400; Langedijk et al. 2022, arXiv:2104.04736",
        formula: "mean over tasks of ∇L_query(θ′), θ′ after k steps θ ← θ - α ∇L_support(θ)",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        self.faults_of_inner_loop()
    }
}

impl UpdateMethod for FirstOrderMamlConfig {
    fn key(&self) -> &'static str {
        Self::INFO.key
    }

    /// Two: a support and a query batch.
    fn batches_of_task(&self) -> usize {
        2
    }
}

impl<E> Update<E> for FirstOrderMamlConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn gradients(
        &mut self,
        model: &Model,
        _step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let rates = self.rates();
        let n_tasks = source.n_batches() / 2;
        if n_tasks == 0 {
            return source.gradients(model);
        }
        let mut total = Gradients::default();
        for task in 0..n_tasks {
            let (support, query) = (2 * task, 2 * task + 1);
            let mut adapted = model.clone();
            for _ in 0..self.inner_steps {
                let gradients = source.batch_gradients(&adapted, support)?;
                adapted = sgd_step(adapted, &gradients, rates);
            }
            let gradients = source.batch_gradients(&adapted, query)?;
            total = total.plus(gradients.scaled(1.0 / n_tasks as f64));
        }
        Ok(total)
    }
}
