//! The `[measure]` table: Fisher information and sharpness during training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[measure]` table: Fisher information and sharpness on the source's dev set during training;
/// with several sources, also the cosine similarity between their gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureRecipe {
    /// Optimizer steps between measurements; the first and the last step are measured too.
    pub every: u64,
    /// Number of examples that are measured.
    pub n_examples: usize,
    /// Batch size.
    pub batch_size: usize,
    /// Sharpness radius: the size of the perturbation in the space of all parameters; zero leaves
    /// sharpness out.
    pub radius: f64,
    /// Number of random directions in which sharpness is measured.
    pub n_directions: usize,
}

impl Default for MeasureRecipe {
    fn default() -> Self {
        let options = MeasureOptions::default();
        Self {
            every: 100,
            n_examples: 128,
            batch_size: options.batch_size,
            radius: options.radius,
            n_directions: options.n_directions,
        }
    }
}

impl MeasureRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.at_least("measure.every", self.every, 1);
        faults.at_least("measure.n_examples", self.n_examples as u64, 1);
        faults.at_least("measure.batch_size", self.batch_size as u64, 1);
        faults.not_negative("measure.radius", self.radius);
    }

    pub(crate) fn options(&self, seed: u64) -> MeasureOptions {
        MeasureOptions {
            estimator: FisherEstimator::Sampled,
            n_examples: Some(self.n_examples),
            batch_size: self.batch_size,
            radius: self.radius,
            n_directions: self.n_directions,
            seed,
        }
    }
}

/// Options of the Fisher information and the sharpness, see
/// [`Measures::take`](crate::Measures::take).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureOptions {
    /// Fisher information estimator: which labels the gradients are taken at.
    pub estimator: FisherEstimator,
    /// Number of examples: the first of the set in an order drawn from the seed; none for all.
    pub n_examples: Option<usize>,
    /// Batch size.
    pub batch_size: usize,
    /// Sharpness radius: the size of the perturbation in the space of all parameters; zero leaves
    /// sharpness out.
    pub radius: f64,
    /// Number of random directions in which sharpness is measured.
    pub n_directions: usize,
    /// Random seed of labels, directions and the choice of examples.
    pub seed: u64,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self {
            estimator: FisherEstimator::Sampled,
            n_examples: Some(256),
            batch_size: 32,
            radius: 0.05,
            n_directions: 3,
            seed: 42,
        }
    }
}

/// Fisher information estimator: which labels the gradients of `-log p(label)` are taken at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FisherEstimator {
    /// Labels sampled from the model, one backward pass for each batch: `B ‖ḡ‖²` of the mean
    /// gradient is an unbiased estimate of the trace.
    #[default]
    Sampled,
    /// Gold labels (empirical Fisher information, a different quantity), one backward pass for each
    /// row.
    Empirical,
    /// All labels weighted by their probabilities, one backward pass for each label of each row:
    /// exact, not an estimate.
    Exact,
}
