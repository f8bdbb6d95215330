//! Sharpness-aware minimization.

use isogloss_model::Model;
use serde::{Deserialize, Serialize};

use super::{GradientSource, Update, positive};
use crate::{Gradients, shifted};

/// Configures SAM: the gradient at `θ + ρ g / ‖g‖`, where g is the gradient at θ.
///
/// It costs two gradients a step. It combines with every objective; dropout is the same in both.
///
/// # Source
/// Foret et al. 2021, arXiv:2010.01412, alg. 1, without the adaptive scaling of its successors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamConfig {
    /// ρ, the radius in the space of all trainable parameters.
    pub rho: f64,
}

impl Default for SamConfig {
    fn default() -> Self {
        Self { rho: 0.05 }
    }
}

impl SamConfig {
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        positive("sam.rho", self.rho).into_iter().collect()
    }
}

impl<E> Update<E> for SamConfig {
    fn name(&self) -> &'static str {
        "sam"
    }

    fn gradients(
        &mut self,
        model: &Model,
        _step: u64,
        learner: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let uphill = learner.gradients(model)?;
        let norm = uphill.global_norm();
        if norm == 0.0 || !norm.is_finite() {
            return Ok(uphill);
        }
        let model = shifted(model.clone(), &uphill, self.rho / norm);
        drop(uphill);
        learner.gradients(&model)
    }
}
