//! Gradients of an optimizer step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_kernels::{clip_by_global_norm, sum, sum_of_squares};
use isogloss_model::{ParamVisitor, visit_parameters};

use crate::sparse_gradient::SparseGradient;

/// Gradients by parameter path, that of an embedding matrix dense or sparse; frozen parameters have
/// none.
#[derive(Clone, Default)]
pub struct Gradients {
    by_path: BTreeMap<String, Gradient>,
}

/// Gradient of a parameter.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a model has one sparse gradient at most")]
pub(crate) enum Gradient {
    /// Flattened to one dimension.
    Dense(Tensor<1>),
    /// That of some rows of an embedding matrix.
    Sparse(SparseGradient),
}

impl Gradient {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Dense(a), Self::Dense(b)) => Self::Dense(a + b),
            (Self::Sparse(a), Self::Sparse(b)) => Self::Sparse(a.plus(b)),
            (Self::Dense(dense), Self::Sparse(sparse))
            | (Self::Sparse(sparse), Self::Dense(dense)) => Self::Dense(sparse.add_to(dense)),
        }
    }

    fn scaled(self, factor: f64) -> Self {
        match self {
            Self::Dense(dense) => Self::Dense(dense * factor),
            Self::Sparse(sparse) => Self::Sparse(sparse.scaled(factor)),
        }
    }

    /// Multiplies by factors for all elements of the parameter, in one dimension.
    pub(crate) fn times(self, factors: Tensor<1>) -> Self {
        match self {
            Self::Dense(dense) => Self::Dense(dense * factors),
            Self::Sparse(sparse) => Self::Sparse(sparse.times(factors)),
        }
    }

    /// The elements that may differ from zero, in one dimension.
    fn elements(&self) -> Tensor<1> {
        match self {
            Self::Dense(dense) => dense.clone(),
            Self::Sparse(sparse) => sparse.values().flatten(0, 1),
        }
    }

    /// Zeros for all elements of the parameter.
    pub(crate) fn zeros(&self) -> Tensor<1> {
        match self {
            Self::Dense(dense) => dense.zeros_like(),
            Self::Sparse(sparse) => sparse.zeros(),
        }
    }

    fn dot(&self, other: &Self) -> Tensor<1> {
        match (self, other) {
            (Self::Dense(a), Self::Dense(b)) => sum(a.clone() * b.clone()),
            (Self::Sparse(a), Self::Sparse(b)) => a.dot(b),
            (Self::Dense(dense), Self::Sparse(sparse))
            | (Self::Sparse(sparse), Self::Dense(dense)) => sparse.dot_dense(dense.clone()),
        }
    }

    /// Adds the gradient, multiplied by a factor, to the parameter's flattened values.
    pub(crate) fn add_to(&self, values: Tensor<1>, factor: f64) -> Tensor<1> {
        match self {
            Self::Dense(dense) => values + dense.clone() * factor,
            Self::Sparse(sparse) => sparse.clone().scaled(factor).add_to(values),
        }
    }
}

impl Gradients {
    /// Runs the backward pass of `loss` and extracts the gradients of the parameters of `module`.
    pub fn from_loss<M: Module>(loss: &Tensor<1>, module: &M) -> Self {
        Self::from_tape(loss.backward(), &[module])
    }

    /// Extracts the gradients of a backward pass that was already run, summed over modules that
    /// have the same parameters at other values.
    pub fn from_tape<M: Module>(tape: burn::tensor::Gradients, modules: &[&M]) -> Self {
        let mut extractor = Extractor { tape, gradients: Self::default() };
        for module in modules {
            visit_parameters(*module, &mut extractor);
        }
        extractor.gradients
    }

    /// Gradient accumulation: adds other gradients.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (path, gradient) in other.by_path {
            self.add_gradient(path, gradient);
        }
        self
    }

    /// Removes the gradients of the parameters at some paths.
    #[must_use]
    pub fn without(mut self, is_removed: impl Fn(&str) -> bool) -> Self {
        self.by_path.retain(|path, _| !is_removed(path));
        self
    }

    /// Adds a sparse gradient of the embedding matrix at `path`.
    #[must_use]
    pub fn plus_sparse(mut self, path: &str, gradient: SparseGradient) -> Self {
        self.add_gradient(path.to_owned(), Gradient::Sparse(gradient));
        self
    }

    pub(crate) fn add(&mut self, path: String, gradient: Tensor<1>) {
        self.add_gradient(path, Gradient::Dense(gradient));
    }

    pub(crate) fn add_gradient(&mut self, path: String, gradient: Gradient) {
        let sum = match self.by_path.remove(&path) {
            Some(present) => present.plus(gradient),
            None => gradient,
        };
        self.by_path.insert(path, sum);
    }

    /// Multiplies by a factor.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.by_path = self.by_path.into_iter().map(|(path, g)| (path, g.scaled(factor))).collect();
        self
    }

    /// Multiplies each gradient by a factor that depends on its parameter path.
    #[must_use]
    pub fn scaled_by(mut self, factor: impl Fn(&str) -> f64) -> Self {
        let scaled = self.by_path.into_iter().map(|(path, gradient)| {
            let gradient = gradient.scaled(factor(&path));
            (path, gradient)
        });
        self.by_path = scaled.collect();
        self
    }

    /// Squared L2 norm of each parameter's gradient.
    pub fn squares(&self) -> BTreeMap<String, f64> {
        let squares = self.by_path.values().map(|gradient| sum_of_squares(gradient.elements()));
        let squares = numbers(squares.collect());
        self.by_path.keys().cloned().zip(squares).collect()
    }

    /// Global gradient norm: the L2 norm of all gradients together; zero if there are none.
    pub fn global_norm(&self) -> f64 {
        self.squares().values().sum::<f64>().sqrt()
    }

    /// Gradient clipping by the global norm, see [`clip_by_global_norm`]; `None` without gradients.
    pub(crate) fn clip(&self, max_norm: Option<f64>) -> Option<Tensor<1>> {
        let gradients: Vec<_> = self.by_path.values().map(Gradient::elements).collect();
        (!gradients.is_empty()).then(|| clip_by_global_norm(gradients, max_norm))
    }

    /// Dot product with other gradients, over the parameters that both have.
    pub fn dot(&self, other: &Self) -> f64 {
        let products = self.shared(other).map(|(a, b)| a.dot(b));
        numbers(products.collect()).iter().sum()
    }

    /// Cosine similarity with other gradients, over the parameters that both have, taken together;
    /// 0 if either is zero there.
    pub fn cosine(&self, other: &Self) -> f64 {
        let (of_self, of_other): (Vec<_>, Vec<_>) = self.shared(other).unzip();
        let norms = [of_self, of_other].map(|gradients: Vec<&Gradient>| {
            let squares = gradients.into_iter().map(|x| sum_of_squares(x.elements()));
            numbers(squares.collect()).iter().sum::<f64>().sqrt()
        });
        let product = norms[0] * norms[1];
        if product > 0.0 { self.dot(other) / product } else { 0.0 }
    }

    fn shared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Gradient, &'a Gradient)> {
        self.by_path.iter().filter_map(|(path, a)| Some((a, other.by_path.get(path)?)))
    }

    /// Gradient of the parameter at `path`, flattened; a sparse one is made dense.
    pub fn get(&self, path: &str) -> Option<Tensor<1>> {
        Some(match self.by_path.get(path)? {
            Gradient::Dense(dense) => dense.clone(),
            Gradient::Sparse(sparse) => sparse.to_dense(),
        })
    }

    /// Gradient of the embedding matrix at `path`, if it is sparse.
    pub fn sparse(&self, path: &str) -> Option<&SparseGradient> {
        match self.by_path.get(path)? {
            Gradient::Dense(_) => None,
            Gradient::Sparse(sparse) => Some(sparse),
        }
    }

    pub(crate) fn gradient(&self, path: &str) -> Option<&Gradient> {
        self.by_path.get(path)
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Gradient> {
        self.by_path.remove(path)
    }
}

/// Reads the values of one-element tensors from the device in one transfer.
fn numbers(tensors: Vec<Tensor<1>>) -> Vec<f64> {
    if tensors.is_empty() {
        return Vec::new();
    }
    let numbers = Tensor::cat(tensors, 0).into_data().convert::<f64>().try_into_vec::<f64>();
    numbers.expect("the numbers were just converted to this type")
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn gradients(values: &[(&str, [f32; 2])]) -> Gradients {
        let mut gradients = Gradients::default();
        for (path, values) in values {
            gradients.add((*path).to_owned(), Tensor::from_floats(*values, &Device::flex()));
        }
        gradients
    }

    #[test]
    fn a_cosine_is_about_the_parameters_that_both_have() {
        let task = gradients(&[("encoder", [3.0, 4.0]), ("head", [100.0, 0.0])]);
        let pairs = gradients(&[("encoder", [4.0, 3.0]), ("projection", [0.0, 50.0])]);
        assert_eq!(task.dot(&pairs), 24.0);
        assert!((task.cosine(&pairs) - 24.0 / 25.0).abs() < 1e-12);
        assert_eq!(task.cosine(&gradients(&[("encoder", [0.0, 0.0])])), 0.0);
        assert_eq!(task.cosine(&gradients(&[("elsewhere", [1.0, 1.0])])), 0.0);
    }
}
