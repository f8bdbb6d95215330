//! The gradients of one optimizer step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use isogloss_kernels::sum_of_squares;

/// Gradients, flattened to one dimension; frozen parameters have none.
#[derive(Default)]
pub struct Gradients {
    by_path: BTreeMap<String, Tensor<1>>,
}

impl Gradients {
    /// Runs the backward pass of `loss` and takes out the gradients of the parameters of `module`.
    pub fn of<M: Module>(loss: &Tensor<1>, module: &M) -> Self {
        let mut visitor =
            Extractor { path: Vec::new(), tape: loss.backward(), gradients: Self::default() };
        module.visit(&mut visitor);
        visitor.gradients
    }

    /// Adds other gradients, as gradient accumulation does.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (path, gradient) in other.by_path {
            let sum = match self.by_path.remove(&path) {
                Some(present) => present + gradient,
                None => gradient,
            };
            self.by_path.insert(path, sum);
        }
        self
    }

    /// The Euclidean norm over all gradients together; zero if there are none.
    pub fn global_norm(&self) -> f64 {
        let squares: Vec<_> = self.by_path.values().cloned().map(sum_of_squares).collect();
        if squares.is_empty() {
            return 0.0;
        }
        f64::from(Tensor::cat(squares, 0).sum().into_scalar::<f32>()).sqrt()
    }

    /// The gradient at `path`.
    pub fn get(&self, path: &str) -> Option<&Tensor<1>> {
        self.by_path.get(path)
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Tensor<1>> {
        self.by_path.remove(path)
    }
}

struct Extractor {
    path: Vec<String>,
    tape: burn::tensor::Gradients,
    gradients: Gradients,
}

impl ModuleVisitor for Extractor {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(&mut self.tape) {
            let n_elements = gradient.shape().num_elements();
            self.gradients.by_path.insert(self.path.join("."), gradient.reshape([n_elements]));
        }
    }
}
