//! Momentum encoder (MoCo, He et al. 2020): an exponential moving average (EMA) of a model.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_model::{
    Model, NamedParam, ParamMapper, ParamVisitor, map_parameters, named_parameters,
    visit_parameters,
};

use crate::parameters::change_values;
use crate::state::{StateError, StateReader, restored_parameters};

/// Momentum encoder in the state of an objective: an EMA copy of the whole model, its head
/// included; `None` before `begin`.
#[derive(Default)]
pub(crate) struct MomentumEncoder(Option<Model>);

impl MomentumEncoder {
    /// Initializes the momentum encoder with a copy of the model.
    pub(crate) fn begin(&mut self, model: &Model) {
        self.0 = Some(model.valid());
    }

    /// EMA update after an optimizer step, see [`momentum_update`].
    pub(crate) fn update(&mut self, model: &Model, momentum: f64) {
        self.0 = self.0.take().map(|average| momentum_update(average, model, momentum));
    }

    pub(crate) fn model(&self) -> Option<&Model> {
        self.0.as_ref()
    }

    /// Parameters to store in a checkpoint; `None` before `begin`.
    pub(crate) fn parameters(&self) -> Option<Vec<NamedParam>> {
        self.0.as_ref().map(named_parameters)
    }

    /// Restores the parameters from a checkpoint; `model` gives the architecture.
    pub(crate) fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
    ) -> Result<(), StateError> {
        self.0 = Some(restored_parameters(model.valid(), saved)?);
        Ok(())
    }
}

/// EMA update of a momentum encoder (MoCo): each parameter ξ of `average` becomes
/// `m ξ + (1 - m) θ`.
///
/// `average` starts as `module.valid()`, without autodiff, and stays so; no graph is recorded.
/// Parameters that only one of the two has are unchanged.
///
/// # Source
/// He et al. 2020, MoCo, arXiv:1911.05722, eq. 2, in the form `ξ + (1 - m) (θ - ξ)`, which
/// leaves equal parameters exactly equal.
#[must_use]
pub fn momentum_update<M: Module>(average: M, module: &M, momentum: f64) -> M {
    let mut values = Values::default();
    visit_parameters(module, &mut values);
    map_parameters(average, &mut Average { values, momentum })
}

/// Values of all parameters by path, flattened; tensor handles, not copies.
#[derive(Default)]
struct Values(BTreeMap<String, Tensor<1>>);

impl ParamVisitor for Values {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let values = param.val().without_autodiff();
        let n_elements = values.shape().num_elements();
        self.0.insert(path.to_owned(), values.reshape([n_elements]));
    }
}

struct Average {
    values: Values,
    momentum: f64,
}

impl ParamMapper for Average {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(now) = self.values.0.remove(path) else { return param };
        change_values(param, |average| average.clone() + (now - average) * (1.0 - self.momentum))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use isogloss_model::{RandomParams, presets};

    use super::*;

    fn random_model(seed: u64, device: &Device) -> Model {
        let model = Model::init(&presets::tiny(20), None, &mut RandomParams::new(seed), device);
        model.with_projections(&[vec![32, 32]], seed, device)
    }

    fn parameters(model: &Model) -> Vec<(String, Vec<f32>)> {
        let values = named_parameters(model).into_iter();
        values.map(|p| (p.path.clone(), p.data().try_into_vec().unwrap())).collect()
    }

    #[test]
    fn every_parameter_moves_by_its_share_and_leaves_no_graph() {
        let model = random_model(1, &Device::flex().autodiff());
        let average = random_model(2, &Device::flex());
        let (before, towards) = (parameters(&average), parameters(&model));
        let after = momentum_update(momentum_update(average, &model, 0.75), &model, 0.5);
        assert!(!named_parameters(&after).is_empty());
        for (((path, found), (_, from)), (_, to)) in
            parameters(&after).iter().zip(&before).zip(&towards)
        {
            for ((found, from), to) in found.iter().zip(from).zip(to) {
                // 0.5 (0.75 ξ + 0.25 θ) + 0.5 θ.
                let expected = 0.375 * from + 0.625 * to;
                assert!((found - expected).abs() < 1e-7, "{path}: {found}, expected {expected}");
            }
        }
        assert!(
            !after.projections[0].forward(Tensor::zeros([1, 32], &Device::flex())).is_autodiff()
        );
        assert_eq!(parameters(&model), towards);
    }

    #[test]
    fn a_copy_stays_a_copy() {
        let model = random_model(1, &Device::flex().autodiff());
        let average = momentum_update(model.valid(), &model, 0.9);
        assert_eq!(parameters(&average), parameters(&model));
    }
}
