//! (IA)³ adapter (Liu et al. 2022): learned vectors that rescale the outputs or inputs of linear
//! projections; its configuration, its module, and its folder format of the `peft` library.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::peft_fields::expect_others_off;
use super::projection::{ProjectionAdapter, build_at};
use super::target::TargetModule;
use super::target_names::{StoredShapes, Targets};
use crate::config::Fields;
use crate::family::{FamilySpec, split_leaf};
use crate::nn::DropoutMasks;
use crate::params::Builder;
use crate::{AdapterError, ConfigError, EncoderConfig, Init};

/// (IA)³, rescaling of linear projections: `y = l ⊙ (W x + b)` for those in `target_modules`,
/// but `y = W (l ⊙ x) + b` for those also in `feedforward_modules`, with the pretrained `W` and
/// `b`.
///
/// A vector `l` is initialized with ones, so that training starts from the pretrained model.
/// Weights have the layout `[out, in]` in all families, so that `peft`'s field `fan_in_fan_out` is
/// always false.
///
/// # Source
/// Liu et al. 2022, Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context
/// Learning, arXiv:2205.05638, §3.3: keys, values, and the inner activations of feed-forward
/// networks. Differs from the paper as `peft` does: the bias of a projection to keys or values is
/// rescaled too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ia3Config {
    /// Target projections, in all layers.
    pub target_modules: Vec<TargetModule>,
    /// Target projections whose input is rescaled in place of their output.
    pub feedforward_modules: Vec<TargetModule>,
    /// Initializes the vectors with ones; if false, from a standard normal distribution, as `peft`.
    #[serde(default = "starts_with_ones")]
    pub init_ia3_weights: bool,
}

fn starts_with_ones() -> bool {
    true
}

impl Ia3Config {
    /// (IA)³ of Liu et al. 2022: keys, values, and the input of the second projection of the
    /// feed-forward network.
    pub fn new() -> Self {
        Self {
            target_modules: vec![
                TargetModule::Key,
                TargetModule::Value,
                TargetModule::FeedForwardDown,
            ],
            feedforward_modules: vec![TargetModule::FeedForwardDown],
            init_ia3_weights: true,
        }
    }

    /// Checks that the configuration is valid.
    pub(super) fn check(&self) -> Result<(), AdapterError> {
        let refuse = |field, problem| Err(AdapterError::Config { field, problem });
        if self.target_modules.is_empty() {
            return refuse("target_modules", "no projection is named".into());
        }
        let is_target = |target: &&TargetModule| self.target_modules.contains(*target);
        match self.feedforward_modules.iter().find(|target| !is_target(target)) {
            Some(target) => {
                let problem = format!("{} is not among \"target_modules\"", json!(target));
                refuse("feedforward_modules", problem)
            }
            None => Ok(()),
        }
    }

    /// Builds the vectors of the adapter `name`, one per target projection that is not pruned. The
    /// parameter paths are `layers.<layer>.<projection>.ia3.<name>.l`, `[out, 1]`, or `[1, in]` for
    /// those of `feedforward_modules`.
    pub(super) fn init(
        &self,
        name: &str,
        encoder: &EncoderConfig,
        builder: &mut Builder<'_>,
    ) -> Result<Vec<(usize, TargetModule, Ia3)>, AdapterError> {
        let init = if self.init_ia3_weights { Init::Ones } else { Init::Normal(1.0) };
        let layers = 0..encoder.num_hidden_layers;
        build_at(&self.target_modules, layers, encoder, |path, target, [n_inputs, n_outputs]| {
            let is_feedforward = self.feedforward_modules.contains(&target);
            let shape = if is_feedforward { [1, n_inputs] } else { [n_outputs, 1] };
            Ia3 { l: builder.param(&format!("{path}.ia3.{name}.l"), shape, init), is_feedforward }
        })
    }
}

impl Default for Ia3Config {
    fn default() -> Self {
        Self::new()
    }
}

/// (IA)³ module of one projection: its rescaling vector.
#[derive(Module, Debug)]
pub(crate) struct Ia3 {
    /// Rescaling vector, `[out, 1]`, or `[1, in]` if it rescales the input, as in files.
    l: Param<Tensor<2>>,
    #[module(skip)]
    is_feedforward: bool,
}

impl Ia3 {
    fn rescale(&self, x: Tensor<3>) -> Tensor<3> {
        let l = self.l.val();
        let width = l.shape().num_elements();
        x * l.reshape([1, 1, width])
    }
}

impl ProjectionAdapter for Ia3 {
    fn input(&self, x: Tensor<3>) -> Tensor<3> {
        if self.is_feedforward { self.rescale(x) } else { x }
    }

    fn output(&self, output: Tensor<3>, _x: &Tensor<3>, _masks: &mut DropoutMasks) -> Tensor<3> {
        if self.is_feedforward { output } else { self.rescale(output) }
    }

    fn merge(&self, weight: Tensor<2>, bias: Tensor<1>) -> (Tensor<2>, Tensor<1>) {
        let l = self.l.val().detach();
        let bias = if self.is_feedforward { bias } else { bias * l.clone().flatten(0, 1) };
        (weight * l, bias)
    }
}

/// Value of `peft_type`.
pub(super) const PEFT_TYPE: &str = "IA3";
/// Supported fields.
const READ: [&str; 3] = [TARGETS, FEEDFORWARD, "init_ia3_weights"];
const TARGETS: &str = "target_modules";
const FEEDFORWARD: &str = "feedforward_modules";
/// Suffix of a tensor name, after the name of the projection.
const LEAF: &str = ".ia3_l";

/// Parses an (IA)³ configuration; the shapes of `tensors` show which projections a regular
/// expression matches.
pub(super) fn read_config(
    json: &Value,
    encoder: &EncoderConfig,
    tensors: &StoredShapes<'_>,
) -> Result<Ia3Config, ConfigError> {
    expect_others_off(json, &[&READ])?;
    let vector = |projection: &str| {
        let end = format!("{projection}{LEAF}");
        let mut vectors = tensors.iter().filter(|(tensor, _)| tensor.ends_with(&end));
        vectors.next().map(|(_, shape)| shape.as_slice())
    };
    let Targets { modules, layers } =
        Targets::read(json, TARGETS, None, encoder, |projection| vector(projection).is_some())?;
    if layers.len() != encoder.num_hidden_layers {
        let problem = "expected the same projections in each layer";
        return Err(ConfigError::mismatch(TARGETS, problem));
    }
    let mut feedforward_modules = Vec::new();
    if Fields(json).expect_off(FEEDFORWARD).is_err() {
        let has_row = |projection: &str| vector(projection).and_then(<[_]>::first) == Some(&1);
        feedforward_modules = Targets::read(json, FEEDFORWARD, None, encoder, has_row)?.modules;
        feedforward_modules.retain(|target| modules.contains(target));
    }
    Ok(Ia3Config {
        target_modules: modules,
        feedforward_modules,
        init_ia3_weights: Fields(json).bool_or("init_ia3_weights", true)?,
    })
}

/// Fields of `adapter_config.json` that describe the adapter.
pub(super) fn config_fields(config: &Ia3Config, encoder: &EncoderConfig) -> Value {
    let names = |modules: &[TargetModule]| {
        let layers = (0..encoder.num_hidden_layers).collect();
        Targets { modules: modules.to_vec(), layers }.names(encoder)
    };
    // The library requires `feedforward_modules` to be a subset of `target_modules`, name by name.
    let targets = config.target_modules.iter().copied();
    let (feedforward, others): (Vec<_>, Vec<_>) =
        targets.partition(|target| config.feedforward_modules.contains(target));
    let feedforward = names(&feedforward);
    let mut all = names(&others);
    all.extend(feedforward.iter().cloned());
    json!({
        "fan_in_fan_out": false,
        "feedforward_modules": feedforward,
        "init_ia3_weights": config.init_ia3_weights,
        "peft_type": PEFT_TYPE,
        "target_modules": all,
    })
}

/// Tensor name of an (IA)³ parameter in a file, without prefixes and without the adapter's name;
/// `None` if `path` is not of (IA)³.
pub(super) fn tensor_name(family: &FamilySpec, path: &str) -> Option<String> {
    let (projection, _) = split_leaf(path).0.split_once(".ia3.")?;
    Some(format!("{}{LEAF}", family.encoder_module(projection)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::presets;

    #[test]
    fn vectors_rescale_outputs_with_the_bias_and_inputs_without_it() {
        let device = Device::flex();
        let weight = || Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], &device);
        let bias = || Tensor::<1>::from_floats([10.0, 20.0, 30.0], &device);
        let vector = |values: &[f32], shape: [usize; 2], is_feedforward| {
            let l = Tensor::<1>::from_floats(values, &device).reshape(shape);
            Ia3 { l: Param::from_tensor(l), is_feedforward }
        };
        for (ia3, weights, biases) in [
            (
                vector(&[2.0, 3.0, -1.0], [3, 1], false),
                [2.0, 4.0, 9.0, 12.0, -5.0, -6.0],
                [20.0, 60.0, -30.0],
            ),
            (
                vector(&[2.0, -1.0], [1, 2], true),
                [2.0, -2.0, 6.0, -4.0, 10.0, -6.0],
                [10.0, 20.0, 30.0],
            ),
        ] {
            let (merged, merged_bias) = ia3.merge(weight(), bias());
            assert_eq!(merged.clone().into_data().try_into_vec::<f32>().unwrap(), weights);
            assert_eq!(merged_bias.clone().into_data().try_into_vec::<f32>().unwrap(), biases);
            let x = Tensor::<3>::from_floats([[[1.0, 1.0]]], &device);
            let pass = |x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>| {
                x.matmul(weight.transpose().unsqueeze()) + bias.reshape([1, 1, 3])
            };
            let read = ia3.input(x.clone());
            let plain = pass(read.clone(), weight(), bias());
            let found = ia3.output(plain, &read, &mut DropoutMasks::new(None));
            let expected = pass(x, merged, merged_bias);
            assert_eq!(
                found.into_data().try_into_vec::<f32>().unwrap(),
                expected.into_data().try_into_vec::<f32>().unwrap()
            );
        }
    }

    #[test]
    fn faults_name_their_field() {
        let fault = |config: Ia3Config| config.check().map_err(|fault| fault.to_string());
        assert_eq!(fault(Ia3Config::new()), Ok(()));
        let targets = |target_modules| Ia3Config { target_modules, ..Ia3Config::new() };
        let found = fault(targets(vec![TargetModule::Key])).unwrap_err();
        let expected = "field \"feedforward_modules\": \"feed_forward_down\" is not among";
        assert!(found.starts_with(expected), "{found}");
        let found = fault(targets(Vec::new())).unwrap_err();
        assert_eq!(found, "field \"target_modules\": no projection is named");
    }

    #[test]
    fn names_of_one_field_are_a_subset_of_the_others() {
        let fields = config_fields(&Ia3Config::new(), &presets::tiny(10));
        let expected = ["layer.0.output.dense", "layer.1.output.dense"];
        assert_eq!(fields[FEEDFORWARD], json!(expected));
        let all = ["attention.self.key", "attention.self.value", expected[0], expected[1]];
        assert_eq!(fields[TARGETS], json!(all));
    }
}
