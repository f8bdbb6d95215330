//! The gradients of one optimizer step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_kernels::sum_of_squares;
use isogloss_model::{ParamVisitor, visit_parameters};

/// Gradients, flattened to one dimension; frozen parameters have none.
#[derive(Clone, Default)]
pub struct Gradients {
    by_path: BTreeMap<String, Tensor<1>>,
}

impl Gradients {
    /// Runs the backward pass of `loss` and takes out the gradients of the parameters of `module`.
    pub fn of<M: Module>(loss: &Tensor<1>, module: &M) -> Self {
        Self::taken_from(loss.backward(), &[module])
    }

    /// As [`of`](Self::of), of a backward pass that was run, summed over modules that have the same
    /// parameters at other values.
    pub fn taken_from<M: Module>(tape: burn::tensor::Gradients, modules: &[&M]) -> Self {
        let mut extractor = Extractor { tape, gradients: Self::default() };
        for module in modules {
            visit_parameters(*module, &mut extractor);
        }
        extractor.gradients
    }

    /// Adds other gradients, as gradient accumulation does.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (path, gradient) in other.by_path {
            self.add(path, gradient);
        }
        self
    }

    pub(crate) fn add(&mut self, path: String, gradient: Tensor<1>) {
        let sum = match self.by_path.remove(&path) {
            Some(present) => present + gradient,
            None => gradient,
        };
        self.by_path.insert(path, sum);
    }

    /// Multiplies by a factor.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.by_path = self.by_path.into_iter().map(|(path, g)| (path, g * factor)).collect();
        self
    }

    /// Multiplies each by a factor that its path tells.
    #[must_use]
    pub fn scaled_by(mut self, factor: impl Fn(&str) -> f64) -> Self {
        let scaled = self.by_path.into_iter().map(|(path, gradient)| {
            let gradient = gradient * factor(&path);
            (path, gradient)
        });
        self.by_path = scaled.collect();
        self
    }

    /// The sum of the squares of each parameter's gradient.
    pub fn squares(&self) -> BTreeMap<String, f64> {
        let squares: Vec<_> = self.by_path.values().cloned().map(sum_of_squares).collect();
        if squares.is_empty() {
            return BTreeMap::new();
        }
        let squares = Tensor::cat(squares, 0).into_data().convert::<f64>().try_into_vec::<f64>();
        let squares = squares.expect("the numbers were just converted to this type");
        self.by_path.keys().cloned().zip(squares).collect()
    }

    /// The Euclidean norm over all gradients together; zero if there are none.
    pub fn global_norm(&self) -> f64 {
        self.squares().values().sum::<f64>().sqrt()
    }

    /// The product of these gradients with others, summed over the parameters that have both.
    pub fn dot(&self, other: &Self) -> f64 {
        let shared =
            self.by_path.iter().filter_map(|(path, a)| Some((a, other.by_path.get(path)?)));
        let products: Vec<_> = shared.map(|(a, b)| (a.clone() * b.clone()).sum()).collect();
        if products.is_empty() {
            return 0.0;
        }
        let products = Tensor::cat(products, 0).into_data().convert::<f64>().try_into_vec::<f64>();
        products.expect("the numbers were just converted to this type").iter().sum()
    }

    /// The cosine between these gradients and others, of all parameters together; 0 if either is zero.
    pub fn cosine(&self, other: &Self) -> f64 {
        let norms = self.global_norm() * other.global_norm();
        if norms > 0.0 { self.dot(other) / norms } else { 0.0 }
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
    tape: burn::tensor::Gradients,
    gradients: Gradients,
}

impl ParamVisitor for Extractor {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(&mut self.tape) {
            let n_elements = gradient.shape().num_elements();
            self.gradients.add(path.to_owned(), gradient.reshape([n_elements]));
        }
    }
}
