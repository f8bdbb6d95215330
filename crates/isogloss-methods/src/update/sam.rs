//! Sharpness-aware minimization (SAM, Foret et al. 2021).

use isogloss_model::Model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{GradientSource, Update, UpdateMethod};
use crate::faults::{Faults, positive};
use crate::gradients::Gradients;
use crate::method::{Method, MethodInfo, options};
use crate::parameters::shifted;

/// Sharpness-aware minimization (SAM): the gradient at `θ + ρ g / ‖g‖`, where g is the
/// gradient at θ.
///
/// It computes two gradients a step, with the same dropout masks. It combines with every objective.
///
/// # Source
/// Foret et al. 2021, arXiv:2010.01412, alg. 1, without the adaptive scaling of its successors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamConfig {
    /// ρ, the radius of the neighborhood in the space of all trainable parameters.
    pub rho: f64,
}

impl Default for SamConfig {
    fn default() -> Self {
        Self { rho: 0.05 }
    }
}

impl Method for SamConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "sam",
        title: "Sharpness-aware minimization (SAM)",
        paper: "Foret et al. 2021, arXiv:2010.01412",
        formula: "∇L(θ + ρ g / ‖g‖), g = ∇L(θ)",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        positive("rho", self.rho).into_iter().collect()
    }
}

impl UpdateMethod for SamConfig {
    fn key(&self) -> &'static str {
        Self::INFO.key
    }
}

impl<E> Update<E> for SamConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn gradients(
        &mut self,
        model: &Model,
        _step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let uphill = source.gradients(model)?;
        let norm = uphill.global_norm();
        if norm == 0.0 || !norm.is_finite() {
            return Ok(uphill);
        }
        let model = shifted(model.clone(), &uphill, self.rho / norm);
        drop(uphill);
        source.gradients(&model)
    }
}
