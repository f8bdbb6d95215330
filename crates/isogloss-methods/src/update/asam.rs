//! Adaptive sharpness-aware minimization (ASAM, Kwon et al. 2021).

use burn::module::Param;
use burn::tensor::Tensor;
use isogloss_model::{Model, ParamVisitor, visit_parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{GradientSource, UpdateMethod, UpdatePlace};
use super::sam::{Ascent, AscentStep};
use crate::faults::{Faults, positive, zero_or_more};
use crate::gradients::Gradients;
use crate::method::{Method, MethodInfo, options};

/// Adaptive sharpness-aware minimization (ASAM): the gradient at `θ + ρ T² g / ‖T g‖`, where g is
/// the gradient at θ, and T is `|θ| + η`, or 1 for biases. The neighborhood is wider where weights
/// are large, so that it does not depend on their scale.
///
/// It combines as [`SamConfig`](super::SamConfig) does, and replaces it.
///
/// # Source
/// Kwon et al. 2021, arXiv:2102.11600, eq. 8, with the defaults of the authors' code, which has
/// `T = 1` for parameters whose names lack "weight".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AsamConfig {
    /// ρ, the radius of the neighborhood, relative to the sizes of the weights.
    pub rho: f64,
    /// η, added to the sizes of the weights.
    pub eta: f64,
}

impl Default for AsamConfig {
    fn default() -> Self {
        Self { rho: 0.5, eta: 0.01 }
    }
}

impl Method for AsamConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "asam",
        title: "Adaptive sharpness-aware minimization (ASAM)",
        paper: "Kwon et al. 2021, arXiv:2102.11600",
        formula: "∇L(θ + ρ T² g / ‖T g‖), g = ∇L(θ), T = |θ| + η for weights, 1 for biases",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        positive("rho", self.rho).into_iter().chain(zero_or_more("eta", self.eta)).collect()
    }
}

impl UpdateMethod for AsamConfig {
    fn key(&self) -> &'static str {
        Self::INFO.key
    }

    fn place(&self) -> UpdatePlace {
        UpdatePlace::Ascent
    }
}

impl Ascent for AsamConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn step<E>(
        &mut self,
        model: &Model,
        gradients: Gradients,
        _source: &mut dyn GradientSource<E>,
    ) -> Result<AscentStep, E> {
        let (direction, norm) = scaled_by_weights(model, gradients, self.eta);
        Ok(AscentStep { direction, factor: self.rho / norm })
    }
}

/// `T² g` and `‖T g‖`, with the scale T of ASAM.
pub(super) fn scaled_by_weights(model: &Model, gradients: Gradients, eta: f64) -> (Gradients, f64) {
    let (scaled, direction) = (Gradients::default(), Gradients::default());
    let mut scaling = Scaling { eta, gradients, scaled, direction };
    visit_parameters(model, &mut scaling);
    (scaling.direction, scaling.scaled.global_norm())
}

/// Gradients scaled by T once, and twice.
struct Scaling {
    eta: f64,
    gradients: Gradients,
    scaled: Gradients,
    direction: Gradients,
}

impl ParamVisitor for Scaling {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove(path) else { return };
        let (mut once, mut twice) = (gradient.clone(), gradient);
        if !path.ends_with("bias") {
            let sizes = param.val().without_autodiff().abs() + self.eta;
            let n_elements = sizes.shape().num_elements();
            let sizes = sizes.reshape([n_elements]);
            once = once.times(sizes.clone());
            twice = once.clone().times(sizes);
        }
        self.scaled.add_gradient(path.to_owned(), once);
        self.direction.add_gradient(path.to_owned(), twice);
    }
}
