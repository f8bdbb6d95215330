//! Fisher penalty (Jastrzębski et al. 2021) by finite differences of the gradient.

use isogloss_model::Model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{GradientSource, Update, UpdateMethod, UpdatePlace};
use crate::faults::{Faults, at_least_one, positive};
use crate::gradients::Gradients;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::parameters::shifted;
use crate::state::MethodState;

/// Fisher penalty by finite differences: the penalty `weight · ‖g‖²`, where g is the gradient
/// of the mean of `-log p(ŷ)` over a batch with sampled labels ŷ; over B independent rows,
/// `B ‖g‖²` estimates the trace of the Fisher information.
///
/// Its gradient is `2 H g ≈ ‖g‖ / h · (∇ℓ(θ + h ĝ) - ∇ℓ(θ - h ĝ))` with
/// `ĝ = g / ‖g‖`: three more gradients every `every` steps. All three use the same labels, so
/// the part of the trace's gradient that comes from the labels' own dependence on θ is left out,
/// as in the paper; [`FisherPenaltyConfig`](crate::FisherPenaltyConfig) includes it.
///
/// # Source
/// Jastrzębski et al. 2021, arXiv:2012.14193, §3, for the penalty; the finite difference is ours,
/// because Burn differentiates once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FisherStepConfig {
    /// Weight of the penalty.
    pub weight: f64,
    /// h, the step size of the finite difference in parameter space.
    pub step_size: f64,
    /// Optimizer steps between two penalties; the penalty is not scaled up to make up for skipped
    /// steps.
    pub every: u64,
}

impl Default for FisherStepConfig {
    fn default() -> Self {
        Self { weight: 0.1, step_size: 1e-2, every: 10 }
    }
}

impl FisherStepConfig {
    pub(super) fn init<E>(&self, inner: Box<dyn Update<E>>) -> FisherStep<E> {
        FisherStep { config: self.clone(), inner }
    }
}

impl Method for FisherStepConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "fisher_penalty",
        title: "Fisher penalty by finite differences",
        paper: "Jastrzębski et al. 2021, arXiv:2012.14193",
        formula: "g + w ‖ĝ‖ / h · (∇ℓ(θ + h ĝ/‖ĝ‖) - ∇ℓ(θ - h ĝ/‖ĝ‖)), ĝ = ∇ℓ with sampled labels",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let weight = positive("weight", self.weight);
        let step_size = positive("step_size", self.step_size);
        [weight, step_size, at_least_one("every", self.every)].into_iter().flatten().collect()
    }
}

impl UpdateMethod for FisherStepConfig {
    fn key(&self) -> &'static str {
        Self::INFO.key
    }

    fn place(&self) -> UpdatePlace {
        UpdatePlace::Added
    }
}

pub(super) struct FisherStep<E> {
    config: FisherStepConfig,
    inner: Box<dyn Update<E>>,
}

impl<E> Update<E> for FisherStep<E> {
    fn name(&self) -> &'static str {
        FisherStepConfig::INFO.key
    }

    fn state(&mut self) -> Option<&mut dyn MethodState> {
        self.inner.state()
    }

    fn gradients(
        &mut self,
        model: &Model,
        step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let gradients = self.inner.gradients(model, step, source)?;
        if !step.is_multiple_of(self.config.every) {
            return Ok(gradients);
        }
        let direction = source.sampled_gradients(model)?;
        let norm = direction.global_norm();
        if norm == 0.0 || !norm.is_finite() {
            return Ok(gradients);
        }
        let h = self.config.step_size;
        let mut at = |distance: f64| {
            let model = shifted(model.clone(), &direction, distance / norm);
            source.sampled_gradients(&model)
        };
        let factor = self.config.weight * norm / h;
        let difference = at(h)?.scaled(factor).plus(at(-h)?.scaled(-factor));
        Ok(gradients.plus(difference))
    }
}
