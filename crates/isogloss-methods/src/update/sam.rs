//! Sharpness-aware minimization (SAM, Foret et al. 2021), and the ascent step that it shares with
//! its adaptive form.

use isogloss_model::Model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{GradientSource, Update, UpdateMethod, UpdatePlace};
use crate::faults::{Faults, positive};
use crate::gradients::Gradients;
use crate::method::{Method, MethodInfo, options};
use crate::parameters::shifted;
use crate::state::MethodState;

/// Sharpness-aware minimization (SAM): the gradient at `θ + ρ g / ‖g‖`, where g is the
/// gradient at θ.
///
/// It computes two gradients a step, with the same dropout masks. It combines with every objective.
/// With `pcgrad`, `first_order_maml` or `reptile`, both are the gradients that these compute.
/// Related: [`AsamConfig`](super::AsamConfig), which is adaptive, and
/// [`TramConfig`](super::TramConfig), whose radius follows the model's predictions.
///
/// # Source
/// Foret et al. 2021, arXiv:2010.01412, alg. 1.
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

    fn place(&self) -> UpdatePlace {
        UpdatePlace::Ascent
    }
}

impl Ascent for SamConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn step<E>(
        &mut self,
        _model: &Model,
        gradients: Gradients,
        _source: &mut dyn GradientSource<E>,
    ) -> Result<AscentStep, E> {
        let factor = self.rho / gradients.global_norm();
        Ok(AscentStep { direction: gradients, factor })
    }
}

/// Step from the parameters to those at which the gradient is taken.
pub(super) struct AscentStep {
    pub(super) direction: Gradients,
    /// Factor of the direction; not finite where the gradient is zero or not finite.
    pub(super) factor: f64,
}

/// Rule for the ascent step of sharpness-aware minimization.
pub(super) trait Ascent {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// The state that it keeps from step to step, if it does.
    fn state(&mut self) -> Option<&mut dyn MethodState> {
        None
    }

    /// The step up from the parameters of `model`, at which these are the gradients.
    ///
    /// # Errors
    /// Those of the source.
    fn step<E>(
        &mut self,
        model: &Model,
        gradients: Gradients,
        source: &mut dyn GradientSource<E>,
    ) -> Result<AscentStep, E>;
}

/// Sharpness-aware update: another update's gradient, where the ascent step leads.
pub(super) struct SharpnessAware<A, E> {
    pub(super) ascent: A,
    pub(super) inner: Box<dyn Update<E>>,
}

impl<A: Ascent + Send, E> Update<E> for SharpnessAware<A, E> {
    fn name(&self) -> &'static str {
        self.ascent.name()
    }

    fn state(&mut self) -> Option<&mut dyn MethodState> {
        self.ascent.state()
    }

    fn gradients(
        &mut self,
        model: &Model,
        step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let gradients = self.inner.gradients(model, step, source)?;
        let uphill = self.ascent.step(model, gradients.clone(), source)?;
        if !uphill.factor.is_finite() {
            return Ok(gradients);
        }
        drop(gradients);
        let model = shifted(model.clone(), &uphill.direction, uphill.factor);
        drop(uphill);
        self.inner.gradients(&model, step, source)
    }
}
